// The browser library's messages to single peers: each arrives once, in order, or its sender hears why not.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { openSession, outcome } from '../harness/js/session.mjs';

const SUE = { peer: 'sue', data: {} };

const numbers = (frames) => frames.map(({ n, first }) => [n, first]);
const message = (n, first, fields) => ({ from: 'sue', session: 'x', n, first, to: 'bob', body: n, ...fields });

async function inRoom(peers = [SUE]) {
  const bob = openSession();
  await bob.enter(peers);
  return bob;
}

/** What is told of messages that come, and what is acknowledged afterwards. */
function heard(bob, ...frames) {
  for (const frame of frames) bob.hear('message', frame);
  const bodies = bob.told('message').map(({ body }) => body);
  bob.pass(20);
  return { bodies, acks: bob.said('ack').map(({ session, n }) => [session, n]) };
}

test('messages are numbered for each receiver, and kept until they are acknowledged', async () => {
  const bob = await inRoom();
  const [one, two] = [bob.session.send('sue', 'one'), bob.session.send('sue', 'two')];
  bob.session.send('ann', 'other');
  assert.deepEqual(bob.said('send'), [
    { type: 'send', to: 'sue', n: 1, first: 1, body: 'one' },
    { type: 'send', to: 'sue', n: 2, first: 1, body: 'two' },
    { type: 'send', to: 'ann', n: 1, first: 1, body: 'other' },
  ]);
  bob.hear('acked', { by: 'sue', session: 's1', n: 1 });
  assert.deepEqual([await outcome(one), await outcome(two)], [{ value: undefined }, 'pending']);
  bob.hear('acked', { by: 'sue', session: 's1', n: 2 });
  assert.deepEqual(await outcome(two), { value: undefined });
});

test('what another session said is not acknowledged for this one', async () => {
  const bob = await inRoom();
  const sent = bob.session.send('sue', 1);
  bob.hear('acked', { by: 'sue', session: 'earlier', n: 1 });
  bob.hear('undelivered', { to: 'sue', session: 'earlier', n: 1, reason: 'gone' });
  assert.equal(await outcome(sent), 'pending');
});

test('what is not acknowledged is said again on the next socket, in order', async () => {
  const bob = await inRoom();
  for (const body of [1, 2, 3]) bob.session.send('sue', body);
  bob.hear('acked', { by: 'sue', session: 's1', n: 1 });
  bob.session.lost();
  bob.session.send('sue', 4);
  bob.said();
  bob.session.opened();
  bob.welcome();
  assert.deepEqual(bob.said('send'), [], 'nothing before the node has told who is there');
  bob.members([SUE]);
  assert.deepEqual(numbers(bob.said('send')), [[2, 2], [3, 2], [4, 2]]);
});

for (const type of ['updated', 'resumed', 'joined']) {
  test(`what is not acknowledged is said again when its receiver is ${type}`, async () => {
    const bob = await inRoom();
    for (const body of [1, 2]) bob.session.send('sue', body);
    bob.said();
    bob.hear(type, SUE);
    assert.deepEqual(numbers(bob.said('send')), [[1, 1], [2, 1]]);
  });
}

test('what is not acknowledged for long is said again, less and less often, and not to one who is suspended', async () => {
  const bob = await inRoom();
  bob.session.send('sue', 1);
  bob.said();
  bob.pass(60000);
  assert.ok([3, 4].includes(bob.said('send').length));
  bob.hear('suspended', { peer: 'sue' });
  bob.pass(120000);
  assert.deepEqual(bob.said('send'), []);
});

test('a notice that the receiver is suspended is no verdict', async () => {
  const bob = await inRoom();
  const sent = bob.session.send('sue', 1);
  bob.hear('undelivered', { to: 'sue', session: 's1', n: 1, reason: 'suspended' });
  assert.equal(await outcome(sent), 'pending');
});

test('a verdict is told to whoever said it, and the number is not waited for any more', async () => {
  const bob = await inRoom();
  const sent = [1, 2, 3].map((body) => bob.session.send('sue', body));
  bob.said();
  bob.hear('undelivered', { to: 'sue', session: 's1', n: 1, reason: 'overloaded' });
  assert.deepEqual(await Promise.all(sent.map(outcome)), [{ reason: 'overloaded', code: undefined }, 'pending', 'pending']);
  bob.pass(200);
  assert.deepEqual(numbers(bob.said('send')), [[2, 2], [3, 2]], 'those behind it, whose receiver waited for it');
});

test('a number that was given up in the middle is not waited for once those before it have arrived', async () => {
  const bob = await inRoom();
  for (const body of [1, 2, 3]) bob.session.send('sue', body);
  bob.said();
  bob.hear('undelivered', { to: 'sue', session: 's1', n: 2, reason: 'overloaded' });
  bob.hear('acked', { by: 'sue', session: 's1', n: 1 });
  bob.pass(200);
  assert.deepEqual(numbers(bob.said('send')), [[3, 3]]);
});

test('verdicts on many messages to nobody make no storm', async () => {
  const bob = await inRoom([]);
  const sent = [1, 2, 3, 4].map((body) => bob.session.send('zoe', body));
  bob.said();
  for (const n of [1, 2, 3, 4]) bob.hear('undelivered', { to: 'zoe', session: 's1', n, reason: 'no-match' });
  bob.pass(1000);
  assert.deepEqual(bob.said(), []);
  for (const { reason } of await Promise.all(sent.map(outcome))) assert.equal(reason, 'no-match');
});

test('who speaks to ever more peers keeps track of so many, and those who are spoken to again hear new numbers', async () => {
  const bob = await inRoom();
  for (const body of [1, 2]) bob.session.send('sue', body);
  bob.hear('acked', { by: 'sue', session: 's1', n: 2 });
  const kept = bob.session.send('ann', 'kept');
  for (let at = 0; at < 200000; at += 1) {
    bob.session.send(`peer ${at}`, 'x');
    bob.hear('acked', { by: `peer ${at}`, session: 's1', n: Number.MAX_SAFE_INTEGER });
    bob.frames.length = 0;
  }
  assert.ok(bob.session.deadline() > bob.time.now);
  bob.session.send('sue', 3);
  const [{ n, first }] = bob.said('send');
  assert.ok(n > 2 && n === first, `${first} to ${n}`);
  bob.hear('acked', { by: 'ann', session: 's1', n: 1 });
  assert.deepEqual(await outcome(kept), { value: undefined });
});

test('no more peers are waited for than so many', async () => {
  const bob = await inRoom();
  for (let at = 0; at < 1024; at += 1) bob.session.send(`peer ${at}`, 'x');
  assert.equal((await outcome(bob.session.send('sue', 'x'))).reason, 'overloaded');
  bob.hear('acked', { by: 'peer 7', session: 's1', n: 1 });
  assert.equal(await outcome(bob.session.send('sue', 'x')), 'pending');
});

test('what waits for a peer that leaves is given up, and the numbers go on', async () => {
  const bob = await inRoom();
  const sent = bob.session.send('sue', 1);
  bob.hear('left', { peer: 'sue', reason: 'expired' });
  assert.equal((await outcome(sent)).reason, 'gone');
  bob.hear('joined', SUE);
  bob.said();
  bob.session.send('sue', 2);
  assert.deepEqual(numbers(bob.said('send')), [[2, 2]]);
});

test('a peer that left while nobody told us is gone for what waits for it', async () => {
  const bob = await inRoom();
  const sent = bob.session.send('sue', 1);
  bob.comeBack([]);
  assert.equal((await outcome(sent)).reason, 'gone');
});

test('so much waits for a peer, and no more', async () => {
  const bob = await inRoom();
  const sent = [1, 2, 3, 4, 5].map((body) => bob.session.send('sue', body));
  assert.equal((await outcome(sent.at(-1))).reason, 'overloaded');
  bob.hear('acked', { by: 'sue', session: 's1', n: 1 });
  bob.said();
  bob.session.send('sue', 6);
  assert.deepEqual(numbers(bob.said('send')), [[5, 2]], 'no number is lost by it');
});

test('a message that no frame has room for is refused at once, by its bytes', async () => {
  const bob = await inRoom();
  assert.equal((await outcome(bob.session.send('sue', 'é'.repeat(33000)))).code, 'too-long');
  assert.throws(() => bob.session.broadcast('é'.repeat(33000)), { code: 'too-long' });
  assert.equal(await outcome(bob.session.send('sue', 'e'.repeat(33000))), 'pending');
  assert.deepEqual(numbers(bob.said('send')), [[1, 1]]);
});

test('a message that fits a frame fits it also when it is said again under greater numbers', async () => {
  const bob = await inRoom();
  const least = { type: 'send', to: 'sue', n: 1, first: 1, body: '' };
  const fits = 'e'.repeat(65536 - JSON.stringify(least).length);
  assert.equal((await outcome(bob.session.send('sue', fits))).code, 'too-long');
});

test('peers of old dialects acknowledge nothing: what is on its way to them is done', async () => {
  const bob = await inRoom([{ ...SUE, dialect: 'rtc.io' }]);
  assert.deepEqual(await outcome(bob.session.send('sue', '/a|bob')), { value: undefined });
  bob.session.lost();
  const sent = bob.session.send('sue', '/b|bob');
  assert.equal(await outcome(sent), 'pending');
  bob.said();
  bob.session.opened();
  bob.welcome();
  bob.members([{ ...SUE, dialect: 'rtc.io' }]);
  assert.deepEqual(await outcome(sent), { value: undefined });
  assert.deepEqual(bob.said('send').map(({ body }) => body), ['/b|bob']);
});

test('in another session the numbers begin anew, and what may have arrived under old ones is not said again', async () => {
  const bob = await inRoom();
  const said = bob.session.send('sue', 'said');
  bob.session.lost();
  const unsaid = bob.session.send('sue', 'unsaid');
  bob.said();
  bob.session.opened();
  bob.hear('error', { code: 'bad-resume', message: '', temporary: false, about: 'hello' });
  bob.welcome({ session: 's2' });
  bob.members([SUE]);
  assert.deepEqual([(await outcome(said)).reason, await outcome(unsaid)], ['unreachable', 'pending']);
  assert.deepEqual(bob.said('send'), [{ type: 'send', to: 'sue', n: 1, first: 1, body: 'unsaid' }]);
});

test('messages are told once and in order, and acknowledged together', async () => {
  const bob = await inRoom();
  assert.deepEqual(heard(bob, message(1, 1), message(2, 1), message(3, 1)), { bodies: [1, 2, 3], acks: [['x', 3]] });
});

test('a message that comes again is acknowledged again and not told again', async () => {
  const bob = await inRoom();
  heard(bob, message(1, 1), message(2, 1));
  assert.deepEqual(heard(bob, message(1, 1)), { bodies: [], acks: [['x', 2]] });
});

test('a message before its turn is neither told nor acknowledged', async () => {
  const bob = await inRoom();
  heard(bob, message(1, 1));
  assert.deepEqual(heard(bob, message(3, 2)), { bodies: [], acks: [] });
  assert.deepEqual(heard(bob, message(2, 2), message(3, 2)), { bodies: [2, 3], acks: [['x', 3]] });
});

test('what the sender has given up is not waited for', async () => {
  const bob = await inRoom();
  heard(bob, message(1, 1));
  assert.deepEqual(heard(bob, message(4, 4)), { bodies: [4], acks: [['x', 4]] });
});

test('a page that was loaded anew takes up a session where it is', async () => {
  const bob = await inRoom();
  assert.deepEqual(heard(bob, message(8, 7)), { bodies: [], acks: [] });
  assert.deepEqual(heard(bob, message(7, 7), message(8, 7)), { bodies: [7, 8], acks: [['x', 8]] });
});

test('the first messages of a sender that was loaded anew are not taken for old ones', async () => {
  const bob = await inRoom();
  heard(bob, message(1, 1), message(2, 1));
  const fresh = { session: 'y' };
  assert.deepEqual(heard(bob, message(1, 1, fresh), message(2, 1, fresh)), { bodies: [1, 2], acks: [['y', 2]] });
  assert.deepEqual(heard(bob, message(2, 1)), { bodies: [], acks: [['x', 2]] }, 'nor are late ones of the earlier page new');
});

test('who has left and is back says nothing twice', async () => {
  const bob = await inRoom();
  heard(bob, message(1, 1));
  bob.hear('left', { peer: 'sue', reason: 'expired' });
  bob.hear('joined', SUE);
  assert.deepEqual(heard(bob, message(1, 1), message(2, 1)), { bodies: [2], acks: [['x', 2]] });
});

test('after a loss everything is acknowledged again to those who are there', async () => {
  const bob = await inRoom();
  bob.hear('message', message(1, 1));
  bob.hear('message', { ...message(1, 1), from: 'ann' });
  bob.said();
  bob.comeBack([SUE]);
  assert.deepEqual(bob.said('ack'), [{ type: 'ack', from: 'sue', session: 'x', n: 1 }]);
});

test('broadcasts have numbers of their own, and are told once', async () => {
  const bob = await inRoom();
  const broadcast = (n) => message(n, undefined, { to: undefined });
  assert.deepEqual(heard(bob, broadcast(1), broadcast(3), broadcast(3), broadcast(2), message(1, 1)), {
    bodies: [1, 3, 1],
    acks: [['x', 1]],
  });
});

test('what is said to all while there is no connection is said with the next', async () => {
  const bob = await inRoom();
  bob.session.broadcast('a');
  bob.session.lost();
  bob.session.broadcast('b');
  assert.deepEqual(bob.said('broadcast'), [{ type: 'broadcast', n: 1, body: 'a' }]);
  bob.session.opened();
  bob.welcome();
  bob.members();
  assert.deepEqual(bob.said('broadcast'), [{ type: 'broadcast', n: 2, body: 'b' }]);
});

test('peers of old dialects do not number, and are told as they come', async () => {
  const bob = await inRoom();
  const old = { from: 'sue', body: '/chat|sue|hi' };
  assert.deepEqual(heard(bob, old, old), { bodies: [old.body, old.body], acks: [] });
});
