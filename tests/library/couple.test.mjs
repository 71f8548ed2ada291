// The browser library's couplings, on connections and a WebSocket that are the test's: what comes in which order.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { couple } from '../../services/signal/web/trunkline.js';
import { FakeConnection } from '../harness/js/fake-connection.mjs';
import { useFakePage } from '../harness/js/fake-page.mjs';

const { enter } = useFakePage();
const settled = () => new Promise((done) => setImmediate(done));

/** Sue, whose id sorts last, so that the other side offers, has asked for somebody. */
function call(t) {
  const { peer, socket } = enter();
  const connection = new FakeConnection();
  const coupling = couple(connection, { name: 'Bob' }, peer);
  t.after(() => coupling.close());
  const [{ id }] = socket.said('request');
  let n = 0;
  return {
    coupling,
    connection,
    socket,
    say: (words, from = 'bob') => {
      n += 1;
      socket.hear({ type: 'message', from, session: from, n, first: n, to: 'sue', body: { $couple: id, ...words } });
    },
    answer: (fields) => socket.hear({ type: 'answer', id, ok: true, peer: 'bob', data: { name: 'Bob' }, ...fields }),
    byes: () => socket.said('send').filter(({ body }) => 'bye' in body).map(({ to, body: { bye } }) => [to, bye]),
  };
}

const OFFER = { description: { type: 'offer', sdp: 'm=application 9\r\n' } };

test('words of the other side that come before its yes wait for it, and are heard in their order', async (t) => {
  const { coupling, connection, socket, say, answer, byes } = call(t);
  say(OFFER);
  say({ candidate: { candidate: 'one' } });
  await settled();
  assert.deepEqual(byes(), []);
  answer();
  await settled();
  assert.equal(coupling.state, 'connecting');
  assert.equal(connection.remoteDescription.type, 'offer');
  assert.equal(socket.said('send').at(-1).body.description.type, 'answer');
});

test('words that come right behind the yes are heard', async (t) => {
  const { coupling, say, answer, byes } = call(t);
  answer();
  say(OFFER);
  await settled();
  assert.deepEqual([coupling.state, byes()], ['connecting', []]);
});

test('who hangs up before its yes is heard has hung up', async (t) => {
  const { coupling, say, answer } = call(t);
  say(OFFER);
  say({ bye: 'negotiation' });
  answer();
  await settled();
  assert.deepEqual([coupling.state, coupling.reason], ['failed', 'negotiation']);
});

test('who says yes too late, when another one has, is told that it is over', async (t) => {
  const { coupling, say, answer, byes } = call(t);
  say(OFFER, 'late');
  answer();
  await settled();
  assert.equal(coupling.state, 'negotiating');
  assert.deepEqual(byes(), [['late', 'gone']]);
  say(OFFER, 'later');
  assert.deepEqual(byes(), [['later', 'gone']]);
});

test('where nothing comes of the question, whoever has said something to it is told', async (t) => {
  const { coupling, say, answer, byes } = call(t);
  say(OFFER);
  answer({ ok: false, peer: undefined, data: undefined, reason: 'timeout' });
  await settled();
  assert.deepEqual([coupling.state, coupling.reason], ['failed', 'timeout']);
  assert.deepEqual(byes(), [['bob', 'gone']]);
});

test('what nobody has asked is over at once', (t) => {
  const { socket, byes } = call(t);
  const body = { $couple: 'another', ...OFFER };
  socket.hear({ type: 'message', from: 'bob', session: 'bob', n: 1, first: 1, to: 'sue', body });
  assert.deepEqual(byes(), [['bob', 'gone']]);
});

test('a question to which no answer has come yet keeps so many words and no more', async (t) => {
  const { coupling, say, answer, byes } = call(t);
  for (let at = 0; at < 1000; at += 1) say({ candidate: { candidate: `${at}` } }, `peer ${at % 100}`);
  say(OFFER);
  answer();
  await settled();
  assert.equal(coupling.state, 'negotiating', 'this one came too late to be kept');
  assert.ok(byes().length <= 100);
});
