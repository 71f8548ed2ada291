// What peers say to each other: addressed and broadcast messages.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { connectPeer, meet, settle } from '../harness/js/rtcio.mjs';
import { scope } from '../harness/js/scope.mjs';
import { startServer } from '../harness/js/server.mjs';

const LIMIT = { timeout: 30000 };

async function room(t, ids) {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.stop());
  const peers = ids.map((id) => own(connectPeer(server.url, { id })));
  await meet(peers, 'messages');
  return peers;
}

/** The arguments of a message event, less the two the client appends: the sender and the frame. */
const argumentsOf = ({ args }) => args.slice(0, -2);
const senderOf = ({ args }) => args.at(-2).id;

test('an addressed message arrives at its target only, with its arguments', LIMIT, async (t) => {
  const [ann, bob, ...others] = await room(t, ['ann', 'bob', 'cy', 'dee', 'eli']);

  ann.sendTo('bob', '/hello', { x: 1, list: [1, 'two'] }, 'txt', 42, true, null);

  const heard = await bob.untilEvent('message:hello');
  assert.deepEqual(argumentsOf(heard), [{ x: 1, list: [1, 'two'] }, 'txt', 42, true, null]);
  assert.equal(senderOf(heard), 'ann');

  await settle(ann, bob, ...others);
  assert.deepEqual(bob.frames('/hello'), ['/to|bob|/hello|ann|{"x":1,"list":[1,"two"]}|txt|42|true|null']);
  for (const other of others) assert.deepEqual(other.frames('/hello'), [], `frames at ${other.id}`);
  assert.deepEqual(ann.frames('/hello'), [], 'the sender does not hear itself');
});

test('a | inside an object survives', LIMIT, async (t) => {
  const [ann, bob] = await room(t, ['ann', 'bob']);
  const data = { text: 'either|or', 'key|too': ['|', '||'], escaped: '\\|"|' };

  ann.sendTo('bob', '/addressed', data, 'after');
  ann.send('/broadcast', data, 'after');

  assert.deepEqual(argumentsOf(await bob.untilEvent('message:addressed')), [data, 'after']);
  assert.deepEqual(argumentsOf(await bob.untilEvent('message:broadcast')), [data, 'after']);
});

test('a | inside announced attributes survives and keeps its peer in the room', LIMIT, async (t) => {
  const [ann, bob] = await room(t, ['ann', 'bob']);

  assert.equal(await ann.join('messages', { motto: 'now|never' }), 2);

  const [data] = (await bob.untilEvent('peer:update')).args;
  assert.equal(data.motto, 'now|never');
  bob.sendTo('ann', '/still-there');
  await ann.untilEvent('message:still-there');
});

test('a broadcast arrives once at everybody else', LIMIT, async (t) => {
  const [ann, ...others] = await room(t, ['ann', 'bob', 'cy', 'dee', 'eli']);

  ann.send('/news', { headline: 'hello' }, 'txt', -1.5, false, null);
  await settle(ann, ...others);

  for (const other of others) {
    assert.deepEqual(other.frames('/news'), ['/news|ann|{"headline":"hello"}|txt|-1.5|false|null']);
    const [heard] = other.journal.all((entry) => entry.event === 'message:news');
    assert.deepEqual(argumentsOf(heard), [{ headline: 'hello' }, 'txt', -1.5, false, null]);
    assert.equal(senderOf(heard), 'ann');
  }
  assert.deepEqual(ann.frames('/news'), [], 'the sender does not hear itself');
});

test('what one peer sends another arrives complete and in order', LIMIT, async (t) => {
  const [ann, bob, cy] = await room(t, ['ann', 'bob', 'cy']);
  const count = 300;

  for (let n = 0; n < count; n += 1) {
    ann.sendTo('bob', '/n', n);
    bob.sendTo('ann', '/n', n);
    cy.sendTo('ann', '/m', n);
  }

  const inOrder = Array.from({ length: count }, (_, n) => n);
  const received = async (peer, event) => {
    await peer.journal.untilCount(event, count, (entry) => entry.event === event, { within: 10000 });
    return peer.events(event).map(([n]) => n);
  };
  assert.deepEqual(await received(bob, 'message:n'), inOrder);
  assert.deepEqual(await received(ann, 'message:n'), inOrder);
  assert.deepEqual(await received(ann, 'message:m'), inOrder);
});

test('a description of 100 kB arrives whole', LIMIT, async (t) => {
  const [ann, bob] = await room(t, ['ann', 'bob']);
  const sdp = { sdp: 'a=candidate\r\n'.repeat(8000), type: 'offer' };

  ann.sendTo('bob', '/sdp', sdp);

  const [received] = (await bob.untilEvent('message:sdp')).args;
  assert.equal(received.sdp.length, sdp.sdp.length);
  assert.equal(received.sdp, sdp.sdp);
});

test('a message to nobody is dropped and disturbs nobody', LIMIT, async (t) => {
  const [ann, bob] = await room(t, ['ann', 'bob']);

  ann.sendTo('nobody', '/hello', 'there');
  ann.send('no slash', 'is no command');
  await settle(ann, bob);
  await settle(bob, ann);

  assert.deepEqual(bob.frames('/hello'), []);
  assert.deepEqual(bob.frames('no slash'), []);
  assert.deepEqual(ann.events('disconnected'), []);
});
