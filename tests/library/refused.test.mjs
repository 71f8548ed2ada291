// The browser library's session where an announce is refused, where it has left, and where it is put out of the room.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { openSession, outcome, WINDOW } from '../harness/js/session.mjs';

const SUE = { peer: 'sue', data: { name: 'Sue' } };
const IN_USE = { code: 'id-in-use', message: '', temporary: true, about: 'announce' };
const UNAVAILABLE = { code: 'unavailable', message: '', temporary: true, about: 'announce' };

test('an announce for an id that somebody else has is refused at once', async () => {
  const bob = openSession({ peer: 'bob' });
  const announced = bob.session.announce({});
  bob.session.opened();
  bob.welcome();
  bob.hear('error', IN_USE);
  assert.deepEqual(await outcome(announced), { reason: undefined, code: 'id-in-use' });
});

test('an id that a lost connection of our own still has is asked for until it is free', async () => {
  const bob = openSession({ peer: 'bob' });
  const announced = bob.session.announce({});
  bob.session.opened();
  bob.welcome();
  bob.session.lost(); // the answer with it
  bob.session.opened();
  bob.welcome({ session: 's2' });
  bob.said();
  for (let refusals = 0; refusals < 3; refusals += 1) {
    bob.hear('error', IN_USE);
    bob.pass(600);
    assert.equal(bob.said('announce').length, 1);
  }
  bob.members();
  assert.ok((await outcome(announced)).value);
});

test('an id that stays in use is given up when its window is over', async () => {
  const bob = openSession({ peer: 'bob' });
  const announced = bob.session.announce({});
  bob.session.opened();
  bob.welcome();
  bob.session.lost();
  bob.session.opened();
  for (let passed = 0; passed < 2 * WINDOW; passed += 600) {
    if (bob.said('announce').length > 0) bob.hear('error', IN_USE);
    bob.pass(600);
  }
  assert.equal((await outcome(announced)).code, 'id-in-use');
});

test('an id that was kept for a reload, and that somebody else has by now, is exchanged for another', async () => {
  const bob = openSession({ resume: { token: 'old', peer: 'bob' } });
  const announced = bob.session.announce({});
  bob.session.opened();
  bob.hear('error', { code: 'bad-resume', message: '', temporary: false, about: 'hello' });
  bob.welcome();
  bob.said();
  bob.hear('error', IN_USE);
  bob.pass(1);
  assert.deepEqual(bob.said('announce'), [{ type: 'announce', room: 'room', data: {} }]);
  bob.members([], { peer: 'new' });
  assert.ok((await outcome(announced)).value);
  assert.equal(bob.session.peer, 'new');
});

test('after an announce that was refused, the one before is said on the next socket', async () => {
  const bob = openSession();
  await bob.enter([], { data: { n: 1 } });
  const second = bob.session.announce({ n: 2 });
  bob.hear('error', { code: 'too-long', message: '', temporary: false, about: 'announce' });
  assert.equal((await outcome(second)).code, 'too-long');
  bob.session.lost();
  bob.said();
  bob.session.opened();
  assert.deepEqual(bob.said('announce').map(({ data }) => data.n), [1]);
});

test('data that no node takes is refused at once, by its bytes, and what was announced before stays', async () => {
  const bob = openSession();
  await bob.enter([], { data: { n: 1 } });
  for (const size of [4096, 300000]) {
    assert.equal((await outcome(bob.session.announce({ name: 'x'.repeat(size) }))).code, 'too-long');
    assert.equal((await outcome(bob.session.request({ match: { name: 'x'.repeat(size) } }).promise)).code, 'too-long');
  }
  assert.equal((await outcome(bob.session.announce({ name: 'é'.repeat(2048) }))).code, 'too-long');
  assert.deepEqual(bob.said(), []);
  const most = 4096 - JSON.stringify({ name: '' }).length;
  assert.equal(await outcome(bob.session.announce({ name: 'x'.repeat(most) })), 'pending');
  assert.equal(await outcome(bob.session.request({ match: { name: 'x'.repeat(most) } }).promise), 'pending');
  assert.deepEqual(bob.said().map(({ type }) => type), ['announce', 'request']);
});

test('data that no node takes is not announced with the first socket either', async () => {
  const bob = openSession();
  const announced = bob.session.announce({ name: 'x'.repeat(300000) });
  bob.session.opened();
  assert.deepEqual(bob.said().map(({ type }) => type), ['hello']);
  assert.equal((await outcome(announced)).code, 'too-long');
});

test('who has left the room is not in it, whatever was on its way', async () => {
  const bob = openSession();
  const announced = bob.session.announce({});
  bob.session.opened();
  bob.welcome();
  bob.session.leave();
  bob.members([SUE]);
  assert.equal((await outcome(announced)).code, 'left');
  assert.equal(bob.session.members.size, 0);
  assert.equal((await outcome(bob.session.send('sue', 1))).code, 'not-announced');
});

test('who leaves while there is no connection enters again as the peer for whom its place was kept', async () => {
  const bob = openSession();
  await bob.enter();
  bob.session.lost();
  bob.session.leave();
  assert.deepEqual(bob.session.keepsake, { token: 't1', peer: 'bob' });
  bob.session.announce({});
  bob.session.opened();
  assert.deepEqual(bob.said(), [
    { type: 'hello', v: 1, resume: 't1' },
    { type: 'announce', room: 'room', peer: 'bob', data: {} },
  ]);
});

test('who leaves while there is no connection, and whose token is good no more, waits for its id', async () => {
  const bob = openSession({ peer: 'bob' });
  await bob.enter();
  bob.session.lost();
  bob.session.leave();
  const announced = bob.session.announce({});
  bob.session.opened();
  bob.hear('error', { code: 'bad-resume', message: '', temporary: false, about: 'hello' });
  bob.welcome({ session: 's2' });
  bob.hear('error', IN_USE);
  bob.pass(600);
  bob.members();
  assert.ok((await outcome(announced)).value);
});

test('who has said that it leaves has no claim to its place', async () => {
  const bob = openSession();
  await bob.enter();
  bob.session.leave();
  assert.equal(bob.session.keepsake, null);
  bob.session.lost();
  bob.said();
  bob.session.opened();
  assert.deepEqual(bob.said(), [{ type: 'hello', v: 1 }]);
});

/** Bob comes back when his window is long over. */
async function comesBackLate() {
  const bob = openSession({ peer: 'bob' });
  await bob.enter([SUE], { data: { n: 1 } });
  const sent = bob.session.send('sue', 1);
  bob.session.lost();
  bob.pass(10 * WINDOW);
  bob.session.opened();
  bob.welcome();
  bob.told();
  bob.said();
  return { bob, sent };
}

test('who comes back when its id is another peer’s is in no room, knows of nobody, and nothing waits', async () => {
  const { bob, sent } = await comesBackLate();
  bob.hear('error', IN_USE);
  const told = bob.told().map(({ type, id, reason, code }) => [type, id ?? code, reason]);
  assert.deepEqual(told, [['out', 'id-in-use', undefined], ['left', 'sue', 'unheard'], ['error', 'id-in-use', undefined]]);
  assert.equal(bob.session.members.size, 0);
  assert.equal((await outcome(sent)).reason, 'unreachable');
  assert.equal((await outcome(bob.session.send('sue', 2))).code, 'not-announced');
  const announced = bob.session.announce({ n: 2 });
  bob.members([SUE]);
  assert.ok((await outcome(announced)).value);
  assert.deepEqual(bob.told('joined').map(({ id }) => id), ['sue']);
});

test('who is told that its id is another peer’s is not in the room any more', async () => {
  const bob = openSession({ peer: 'bob' });
  await bob.enter([SUE]);
  const sent = bob.session.send('sue', 1);
  bob.hear('error', IN_USE);
  assert.equal((await outcome(sent)).reason, 'unreachable');
  assert.equal(bob.session.isPresent, false);
  assert.deepEqual(bob.told('left').map(({ id }) => id), ['sue']);
});

test('who is told so under an id that it has not chosen enters under another, and says there what waits', async () => {
  const bob = openSession();
  await bob.enter([SUE]);
  bob.session.send('sue', 1);
  bob.said();
  bob.hear('error', IN_USE);
  bob.pass(1);
  assert.deepEqual(bob.said().map(({ type, peer }) => [type, peer]), [['announce', undefined]]);
  bob.members([SUE], { peer: 'new' });
  assert.deepEqual(bob.said().map(({ type, n }) => [type, n]), [['send', 1]]);
});

test('a node that cannot take who comes back is asked again', async () => {
  const { bob } = await comesBackLate();
  for (let refusals = 0; refusals < 3; refusals += 1) {
    bob.hear('error', UNAVAILABLE);
    bob.pass(600);
    assert.deepEqual(bob.said('announce').map(({ data }) => data.n), [1]);
  }
  bob.members([SUE]);
  assert.equal(bob.session.isPresent, true);
});

test('where other data is refused to who comes back, what was announced before is, at once', async () => {
  const bob = openSession({ peer: 'bob' });
  await bob.enter([SUE], { data: { n: 1 } });
  bob.session.lost();
  const second = bob.session.announce({ n: 2 });
  bob.session.opened();
  bob.welcome();
  bob.said();
  bob.hear('error', { code: 'bad-field', message: '', temporary: false, about: 'announce' });
  assert.equal((await outcome(second)).code, 'bad-field');
  bob.pass(1);
  assert.deepEqual(bob.said('announce').map(({ data }) => data.n), [1]);
  // A node that takes neither will not take it the next time.
  bob.hear('error', { code: 'bad-field', message: '', temporary: false, about: 'announce' });
  bob.pass(60000);
  assert.deepEqual(bob.said('announce'), []);
  assert.equal((await outcome(bob.session.send('sue', 1))).code, 'not-announced');
});

test('of two announces under way each has its own answer, and the last one decides', async () => {
  const bob = openSession({ peer: 'bob' });
  const both = [bob.session.announce({ n: 1 }), bob.session.announce({ n: 2 })];
  bob.session.opened();
  bob.session.lost();
  bob.session.opened();
  bob.pass(10 * WINDOW);
  const third = bob.session.announce({ n: 3 });
  bob.hear('error', IN_USE);
  for (const announced of both) assert.equal((await outcome(announced)).code, 'id-in-use');
  bob.members([SUE]);
  assert.ok((await outcome(third)).value);
});

test('a node that could not read a frame, and cannot say which, has not taken the announce', async () => {
  const bob = openSession();
  const announced = bob.session.announce({});
  bob.session.opened();
  bob.welcome();
  bob.hear('error', { code: 'bad-field', message: '', temporary: false });
  assert.equal((await outcome(announced)).code, 'bad-field');
});
