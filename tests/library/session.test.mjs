// The browser library's session: greeting, announcing, the roster, requests. No socket, no real time.

import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';

import { openSession, outcome } from '../harness/js/session.mjs';

const SUE = { peer: 'sue', data: { name: 'Sue' } };
const ANN = { peer: 'ann', data: { name: 'Ann' } };

test('the announce goes right behind the greeting', async () => {
  const bob = openSession({ token: 'secret' });
  const announced = bob.session.announce({ name: 'Bob' });
  bob.session.opened();
  assert.deepEqual(bob.said(), [
    { type: 'hello', v: 1, token: 'secret' },
    { type: 'announce', room: 'room', data: { name: 'Bob' } },
  ]);
  bob.welcome();
  bob.members([SUE]);
  assert.deepEqual([...(await announced).keys()], ['sue']);
  assert.equal(bob.session.peer, 'bob');
});

test('a socket that comes back resumes the session, under the id that the node has given', async () => {
  const bob = openSession();
  await bob.enter();
  bob.session.lost();
  bob.session.opened();
  assert.deepEqual(bob.said(), [
    { type: 'hello', v: 1, resume: 't1' },
    { type: 'announce', room: 'room', peer: 'bob', data: {} },
  ]);
});

test('the token of the greeting is good before the room has answered', () => {
  const bob = openSession({ peer: 'bob' });
  bob.session.announce({});
  bob.session.opened();
  bob.welcome({ resume: 'early' });
  bob.session.lost();
  bob.said();
  bob.session.opened();
  assert.deepEqual(bob.said('hello'), [{ type: 'hello', v: 1, resume: 'early' }]);
  assert.deepEqual(bob.session.keepsake, { token: 'early', peer: 'bob' });
});

test('a page that was loaded anew says so, until it is in the room', async () => {
  const bob = openSession({ resume: { token: 'old', peer: 'bob' } });
  bob.session.announce({});
  bob.session.opened();
  const anew = { type: 'hello', v: 1, resume: 'old', anew: true };
  assert.deepEqual(bob.said('hello'), [anew]);
  bob.session.lost();
  bob.session.opened();
  assert.deepEqual(bob.said('hello'), [anew]);
  bob.welcome();
  bob.members();
  bob.session.lost();
  bob.session.opened();
  assert.deepEqual(bob.said('hello'), [{ type: 'hello', v: 1, resume: 't1' }]);
});

test('a roster that comes again is told as what is different', async () => {
  const bob = openSession();
  await bob.enter([SUE, ANN, { peer: 'cy', data: {} }]);
  bob.comeBack([SUE, { peer: 'ann', data: { name: 'Anna' } }, { peer: 'dee', data: {} }]);
  const changes = bob.told().filter(({ id }) => id !== undefined);
  assert.deepEqual(changes.map(({ type, id }) => [type, id]), [['left', 'cy'], ['updated', 'ann'], ['joined', 'dee']]);
  assert.equal(changes[0].reason, 'unheard');
  bob.comeBack([SUE, { peer: 'ann', data: { name: 'Anna' } }, { peer: 'dee', data: {} }]);
  assert.deepEqual(bob.told().filter(({ id }) => id !== undefined), []);
});

test('who is suspended is so in the roster, and is resumed once', async () => {
  const bob = openSession();
  await bob.enter([SUE]);
  bob.hear('suspended', { peer: 'sue' });
  assert.equal(bob.session.members.get('sue').suspended, true);
  bob.hear('resumed', SUE);
  bob.comeBack([SUE]);
  const changes = bob.told().filter(({ id }) => id === 'sue');
  assert.deepEqual(changes.map(({ type }) => type), ['suspended', 'resumed']);
});

test('who has left is told once, however often it is heard', async () => {
  const bob = openSession();
  await bob.enter([SUE]);
  bob.hear('left', { peer: 'sue', reason: 'left' });
  bob.hear('left', { peer: 'sue', reason: 'left' });
  bob.comeBack([]);
  assert.equal(bob.told('left').length, 1);
});

test('announcing again tells of other data, and both promises are kept', async () => {
  const bob = openSession();
  await bob.enter();
  const both = [bob.session.announce({ n: 1 }), bob.session.announce({ n: 2 })];
  assert.deepEqual(bob.said('announce').map(({ data }) => data.n), [1, 2]);
  bob.members([SUE]);
  bob.members([SUE]);
  await Promise.all(both);
  assert.equal(bob.told('joined').length, 1);
});

test('announces that a lost socket took along are made up for by one', async () => {
  const bob = openSession();
  const both = [bob.session.announce({ n: 1 }), bob.session.announce({ n: 2 })];
  bob.session.opened();
  bob.session.lost();
  bob.said();
  bob.session.opened();
  assert.deepEqual(bob.said('announce').map(({ data }) => data.n), [2]);
  bob.welcome();
  bob.members();
  await Promise.all(both);
});

test('a request is answered by a peer or a reason', async () => {
  const bob = openSession();
  await bob.enter([SUE]);
  const [sue, nobody] = ['Sue', 'Zoe'].map((name) => bob.session.request({ match: { name } }));
  assert.deepEqual(bob.said('request').map(({ id, match }) => [id, match.name]), [[sue.id, 'Sue'], [nobody.id, 'Zoe']]);
  bob.hear('answer', { id: nobody.id, ok: false, reason: 'no-match' });
  bob.hear('answer', { id: sue.id, ok: true, peer: 'sue', data: SUE.data });
  assert.deepEqual(await outcome(sue.promise), { value: { id: 'sue', data: SUE.data } });
  assert.equal((await outcome(nobody.promise)).reason, 'no-match');
});

test('a request that nobody answers ends by itself, with a node and without', async () => {
  const bob = openSession();
  await bob.enter();
  const heard = bob.session.request({ peer: 'sue' });
  bob.pass(4900);
  assert.equal((await outcome(heard.promise)).reason, 'timeout');
  bob.session.lost();
  const unheard = bob.session.request({ peer: 'sue' }, { timeout: 1000 });
  bob.pass(1600);
  assert.equal((await outcome(unheard.promise)).reason, 'unreachable');
});

test('a request that was not answered is asked again on the next socket, by the same name and for the time that is left', async () => {
  const bob = openSession();
  await bob.enter();
  const { id } = bob.session.request({ peer: 'sue' }, { timeout: 3000 });
  bob.pass(1000);
  bob.said();
  bob.comeBack();
  assert.deepEqual(bob.said('request'), [{ type: 'request', id, peer: 'sue', timeout_ms: 2000 }]);
});

test('so many requests wait for an answer, and no more', async () => {
  const bob = openSession();
  await bob.enter();
  const [first] = Array.from({ length: 1024 }, () => bob.session.request({ peer: 'sue' }));
  assert.equal((await outcome(bob.session.request({ peer: 'sue' }).promise)).reason, 'overloaded');
  bob.hear('answer', { id: first.id, ok: false, reason: 'no-match' });
  assert.equal(await outcome(bob.session.request({ peer: 'sue' }).promise), 'pending');
});

test('whatever becomes of a request, nobody listens any more whether it is taken back', async () => {
  const bob = openSession();
  await bob.enter();
  for (const end of [
    (id) => bob.hear('answer', { id, ok: true, peer: 'sue', data: {} }),
    (id) => bob.hear('answer', { id, ok: false, reason: 'no-match' }),
    () => bob.pass(5000),
    () => bob.session.leave(),
  ]) {
    const { signal } = new AbortController();
    const { id } = bob.session.request({ peer: 'sue' }, { signal });
    assert.equal(getEventListeners(signal, 'abort').length, 1);
    end(id);
    assert.equal(getEventListeners(signal, 'abort').length, 0, `${end}`);
  }
});

test('a request can be taken back', async () => {
  const bob = openSession();
  await bob.enter();
  const control = new AbortController();
  const { id, promise } = bob.session.request({ peer: 'sue' }, { signal: control.signal });
  control.abort(Object.assign(new Error('enough'), { reason: 'enough' }));
  bob.hear('answer', { id, ok: true, peer: 'sue', data: {} });
  assert.equal((await outcome(promise)).reason, 'enough');
});

test('a request that comes twice is told once and answered the same twice', async () => {
  const bob = openSession();
  await bob.enter([SUE]);
  const requested = { id: 'q', from: 'sue', data: SUE.data };
  bob.hear('requested', requested);
  bob.hear('requested', requested);
  assert.equal(bob.told('requested').length, 1);
  bob.session.decline('sue', 'q', 'busy');
  bob.session.accept('sue', 'q');
  const no = { type: 'decline', from: 'sue', id: 'q', reason: 'busy' };
  assert.deepEqual(bob.said(), [no]);
  bob.hear('requested', requested);
  assert.deepEqual(bob.said(), [no]);
});

test('words of a no are as long as a node takes, and have no half characters', async () => {
  const bob = openSession();
  await bob.enter([SUE]);
  const reasonOf = (words) => {
    bob.session.decline('sue', words, words);
    return bob.said('decline')[0].reason;
  };
  assert.equal(reasonOf(`${'x'.repeat(79)}\u{1f600}`), `${'x'.repeat(79)}\ufffd`);
  assert.equal(reasonOf('\ud83d'), '\ufffd');
  assert.equal(reasonOf('\u{1f600}'), '\u{1f600}');
  assert.ok(new TextEncoder().encode(reasonOf('\u20ac'.repeat(300))).length <= 256);
});

test('an answer that found no socket goes with the next', async () => {
  const bob = openSession();
  await bob.enter([SUE]);
  bob.hear('requested', { id: 'q', from: 'sue', data: {} });
  bob.session.lost();
  bob.session.accept('sue', 'q');
  bob.session.opened();
  bob.welcome();
  bob.members([SUE]);
  assert.deepEqual(bob.said('accept'), [{ type: 'accept', from: 'sue', id: 'q' }]);
});

test('what is no frame, or of a kind that is not known, costs nothing', async () => {
  const bob = openSession();
  await bob.enter([SUE]);
  for (const text of ['', 'null', '7', '[]', '{', '{"type":"new"}', '{"type":7}']) bob.session.receive(text);
  assert.deepEqual(bob.told(), []);
  assert.deepEqual(bob.said(), []);
});
