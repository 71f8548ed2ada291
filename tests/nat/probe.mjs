// Opens sockets where it runs, as its parent asks: the other end of `startProbe` in sockets.mjs.

import { bindUdp, split, tryTcp } from './sockets.mjs';

const sockets = new Map();

const does = {
  tcp: ({ tcp }) => tryTcp(...tcp),

  async bind({ bind }) {
    sockets.set(bind, await bindUdp('0.0.0.0', 0, (entry) => process.send({ socket: bind, ...entry })));
    return sockets.get(bind).address().port;
  },

  send: ({ send, to, socket }) =>
    new Promise((done) => {
      sockets.get(socket).send(Buffer.from(send, 'hex'), ...split(to), (error) => done(error?.code));
    }),

  close({ close }) {
    sockets.get(close).close();
    sockets.delete(close);
  },
};

process.on('message', async (question) => {
  const verb = Object.keys(does).find((key) => key in question);
  try {
    process.send({ id: question.id, answer: await does[verb](question) });
  } catch (failure) {
    process.send({ failure: `${JSON.stringify(question)}: ${failure.message}` });
  }
});
process.once('disconnect', () => process.exit());
