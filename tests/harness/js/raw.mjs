// A bare WebSocket that speaks the frames itself, for what an rtc.io client cannot do or survive.

import { WebSocket } from 'ws';

import { bounded } from './bounded.mjs';
import { isFrame } from './rtcio.mjs';
import { Journal } from './journal.mjs';

export async function connectRaw(url, name = 'raw socket') {
  const journal = new Journal(name);
  const socket = new WebSocket(url.replace(/^http/, 'ws'));
  socket.on('message', (data) => journal.append({ frame: data.toString() }));
  socket.on('close', (code) => journal.append({ closed: code }));
  socket.on('error', (failure) => journal.append({ error: failure.message }));
  await bounded(`${name} to open`, new Promise((done) => socket.once('open', done)));

  return {
    journal,
    send: (frame) => socket.send(frame),

    /** Announces as rtc-signaller 6 does and waits for the answer. */
    async join(room, id) {
      const from = journal.mark();
      socket.send(`/announce|${id}|${JSON.stringify({ agent: 'signaller@6.3.0', id, room })}`);
      await journal.until('/roominfo', isFrame('/roominfo|'), { from });
    },

    /** Resolves when the server has read all that was sent before, for it answers pings in turn, or has hung up. */
    async flushed() {
      if (socket.readyState !== WebSocket.OPEN) return;
      const answer = new Promise((done) => socket.once('pong', done).once('close', done));
      socket.ping();
      await bounded(`the pong to ${name}; ${journal.describe()}`, answer);
    },

    untilFrame: (text, options) => journal.until(`a frame with ${text}`, isFrame(text), options),
    untilClosed: (options) => journal.until('the close', (entry) => 'closed' in entry, options),
    frames: (text) => journal.all(isFrame(text)).map((entry) => entry.frame),
    close: () => socket.terminate(),
  };
}
