// A TCP proxy that loses connections on command: the way to take a client's socket away against
// its will, with no close frame and no FIN, or with no sign at all.

import net from 'node:net';

import { bounded } from './bounded.mjs';

/** Node 20 may never end when a socket is reset that is being shut down. */
function reset(socket) {
  if (socket.connecting || socket.writableEnded || socket.destroyed) socket.destroy();
  else socket.resetAndDestroy();
}

export async function startProxy(targetPort) {
  const pairs = new Set();
  let target = targetPort;
  let refusing = false;
  let silent = false;

  const listener = net.createServer((client) => {
    client.on('error', () => {});
    if (refusing) {
      client.resetAndDestroy();
      return;
    }
    const upstream = net.connect({ host: '127.0.0.1', port: target });
    const pair = { client, upstream };
    pairs.add(pair);
    const drop = () => {
      if (silent) return;
      pairs.delete(pair);
      client.destroy();
      upstream.destroy();
    };
    client.setNoDelay(true).on('close', drop);
    upstream.setNoDelay(true).on('error', () => {}).on('close', drop);
    if (!silent) client.pipe(upstream).pipe(client);
  });
  listener.listen(0, '127.0.0.1');
  await bounded('the proxy to listen', new Promise((done) => listener.once('listening', done)));

  const proxy = {
    port: listener.address().port,
    url: `http://127.0.0.1:${listener.address().port}`,

    /** Resets every connection. The server's side goes first: it knows before the client does. */
    cut() {
      for (const { client, upstream } of [...pairs]) {
        reset(upstream);
        reset(client);
      }
    },

    /** Resets every connection and every new one, until `restore`. */
    refuse() {
      refusing = true;
      proxy.cut();
    },

    restore() {
      refusing = false;
    },

    /** New connections go to this port, as a load balancer sends them elsewhere; others stay where they are. */
    leadTo(port) {
      target = port;
    },

    /** Carries nothing any more and tells neither side, as a network does that has lost its route. */
    fallSilent() {
      silent = true;
      for (const { client, upstream } of pairs) {
        client.unpipe(upstream).pause();
        upstream.unpipe(client).pause();
      }
    },

    close() {
      silent = false;
      proxy.refuse();
      return bounded('the proxy to close', new Promise((done) => listener.close(done)));
    },
  };
  return proxy;
}
