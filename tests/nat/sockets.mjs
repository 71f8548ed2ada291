// Bare sockets, here or in a namespace, that say what they get.

import { fork } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

import { bounded } from '../harness/js/bounded.mjs';
import { Journal } from '../harness/js/journal.mjs';

const CONNECT_WITHIN = 1000;

// For a machine that is busy with something else: a process has to start.
const PATIENCE = 30000;

/** A UDP socket in this namespace; `tell` gets what arrives: the bytes in hexadecimal, and from where. */
export async function bindUdp(address, port, tell) {
  const socket = createSocket('udp4');
  socket.on('message', (bytes, { address: ip, port: from }) => tell({ bytes: bytes.toString('hex'), from: `${ip}:${from}` }));
  const listens = new Promise((done, fail) => socket.once('listening', done).once('error', fail));
  socket.bind(port, address);
  await bounded(`${address}:${port} to be bound`, listens);
  return socket;
}

/** `connected`, or why not. */
export function tryTcp(address, port) {
  const socket = connect({ host: address, port });
  return new Promise((done) => {
    const end = (result) => {
      clearTimeout(timer);
      socket.destroy();
      done(result);
    };
    const timer = setTimeout(end, CONNECT_WITHIN, 'no answer');
    socket.once('connect', () => end('connected')).once('error', ({ code }) => end(code));
  });
}

export const split = (endpoint) => {
  const [address, port] = endpoint.split(':');
  return [Number(port), address];
};

/** Bytes as text of ASCII, which is what the tests send to each other. */
const text = (hex) => Buffer.from(hex, 'hex').toString('latin1');

/** What tests see of a UDP socket, wherever it is. */
function endpoint(name, port, journal, send, close) {
  return {
    port,
    journal,
    close,
    send: (to, message) => send(to, Buffer.from(message).toString('hex')),
    /** The first datagram that says this, with where it came from. */
    until: (message, options) => journal.until(`“${message}” at ${name}`, ({ bytes }) => text(bytes) === message, options),
    /** Which of these messages have come. */
    got: (messages) => messages.filter((message) => journal.all(({ bytes }) => text(bytes) === message).length > 0),
  };
}

/** A socket at one of the servers' addresses. */
export async function serverSocket(own, address, port = 0) {
  const journal = new Journal(`UDP socket at ${address}:${port}`);
  const socket = own(await bindUdp(address, port, (entry) => journal.append(entry)));
  const send = (to, hex) => socket.send(Buffer.from(hex, 'hex'), ...split(to));
  return endpoint(address, socket.address().port, journal, send, () => socket.close());
}

/** A TCP listener at one of the servers' addresses that closes what it accepts. */
export async function serverListener(own, address, port) {
  const listener = createServer((socket) => socket.on('error', () => {}).end());
  own(listener, () => new Promise((done) => listener.close(done)));
  const listens = new Promise((done, fail) => listener.once('listening', done).once('error', fail));
  listener.listen(port, address);
  await bounded(`${address}:${port} to listen`, listens);
}

/** Starts a process in a namespace that opens sockets there. */
export async function startProbe(own, namespace) {
  const child = own(
    // `ip` runs what `fork` would have run.
    fork(fileURLToPath(new URL('probe.mjs', import.meta.url)), {
      execPath: 'ip',
      execArgv: ['netns', 'exec', namespace, process.execPath],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    }),
    (probe) => probe.kill('SIGKILL'),
  );
  const told = new Journal(`probe in ${namespace}`);
  const journals = new Map();
  child.on('message', (message) => {
    if ('bytes' in message) journals.get(message.socket)?.append(message);
    else told.append(message);
  });
  child.once('error', (failure) => told.append({ failure: failure.message }));
  child.once('exit', (code, signal) => told.append({ failure: `ended with ${code ?? signal}` }));
  let asked = 0;
  async function ask(question) {
    const id = (asked += 1);
    child.send({ id, ...question });
    const { answer, failure } = await told.until(
      `the answer to ${JSON.stringify(question)}`,
      (entry) => entry.id === id || 'failure' in entry,
      { within: PATIENCE },
    );
    if (failure) throw new Error(`the probe in ${namespace}: ${failure}`);
    return answer;
  }
  return {
    tryTcp: (address, port) => ask({ tcp: [address, port] }),
    async socket() {
      const socket = asked + 1;
      const journal = new Journal(`UDP socket in ${namespace}`);
      journals.set(socket, journal);
      const port = await ask({ bind: socket });
      return endpoint(namespace, port, journal, (to, hex) => ask({ send: hex, to, socket }), () => ask({ close: socket }));
    },
  };
}
