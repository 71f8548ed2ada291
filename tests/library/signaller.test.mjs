// The browser library's signaller, on a WebSocket and a page that are the test's.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { signaller } from '../../services/signal/web/trunkline.js';
import { FakeStorage, useFakePage } from '../harness/js/fake-page.mjs';
import { outcome } from '../harness/js/session.mjs';

const REQUESTED = { type: 'requested', id: 'q', from: 'bob', data: { name: 'Bob' } };

const { sockets, open, enter, own } = useFakePage();

test('it connects to the place where nodes listen, wherever the page says they are', () => {
  for (const [url, expected] of [
    ['https://node.example', 'wss://node.example/v1/connect'],
    ['http://node.example:8080/', 'ws://node.example:8080/v1/connect'],
    ['wss://node.example/v1/connect', 'wss://node.example/v1/connect'],
    ['wss://node.example/behind/?token=t#x', 'wss://node.example/behind/v1/connect?token=t'],
  ]) {
    own(signaller(url, { room: 'room', storage: null }));
    assert.equal(sockets.at(-1).url, expected);
  }
});

test('what cannot be asked for is refused at once', async () => {
  const impossible = [
    ...[{}, { room: '' }, { room: 7 }, { room: 'a|b' }],
    ...[{ room: 'r', id: '' }, { room: 'r', id: 'é'.repeat(65) }],
    ...[{ room: 'r', token: 7 }, { room: 'r', token: 'é'.repeat(2049) }],
  ];
  for (const options of impossible) {
    assert.throws(() => signaller('https://node.example', options), TypeError, JSON.stringify(options));
  }
  const { peer, socket } = enter();
  const circle = {};
  circle.circle = circle;
  const wrong = [
    peer.send('bob', undefined),
    peer.send('bob', circle),
    peer.send('bob', 1n),
    peer.send('', 1),
    peer.request(null),
    peer.request([]),
    peer.request({ peer: '' }),
    peer.announce('Sue'),
  ];
  for (const [at, { status, reason }] of (await Promise.allSettled(wrong)).entries()) {
    assert.equal(status, 'rejected', `${at}`);
    assert.ok(reason instanceof TypeError, `${at}: ${reason}`);
  }
  assert.throws(() => peer.broadcast(undefined), TypeError);
  assert.deepEqual(socket.frames, []);
});

test('what is said is what it was when it was said', () => {
  const { peer, socket } = enter();
  const body = { step: 1 };
  peer.send('bob', body);
  body.step = 2;
  socket.frames.length = 0;
  socket.hear({ type: 'resumed', peer: 'bob', data: {} });
  assert.deepEqual(socket.said('send')[0].body, { step: 1 });
});

test('an id alone is one, with more beside it it is what the data is to have', () => {
  const { peer, socket } = enter();
  for (const match of ['bob', { peer: 'bob' }, { peer: 'bob', name: 'Bob' }, { peer: 7 }]) peer.request(match);
  const asked = socket.said('request').map(({ match, peer: id }) => match ?? id);
  assert.deepEqual(asked, ['bob', 'bob', { peer: 'bob', name: 'Bob' }, { peer: 7 }]);
});

test('a request is taken, unless a listener decides otherwise', () => {
  const cases = [
    [() => {}, [['accept', undefined]]],
    [(event) => event.accept(), [['accept', undefined]]],
    [(event) => event.decline('busy'), [['decline', 'busy']]],
    [(event) => (event.decline(), event.accept()), [['decline', undefined]]],
    [(event) => event.preventDefault(), []],
  ];
  for (const [listener, expected] of cases) {
    const { peer, socket } = enter();
    peer.addEventListener('requested', listener);
    socket.hear(REQUESTED);
    assert.deepEqual(socket.frames.map(({ type, reason }) => [type, reason]), expected, `${listener}`);
  }
});

test('a request may be decided later', () => {
  const { peer, socket } = enter();
  let decide;
  peer.addEventListener('requested', (event) => {
    event.preventDefault();
    decide = () => event.accept();
  });
  socket.hear(REQUESTED, REQUESTED);
  assert.deepEqual(socket.frames, []);
  decide();
  assert.deepEqual(socket.frames, [{ type: 'accept', from: 'bob', id: 'q' }]);
});

test('who it was is kept for a reload while the page is hidden, and not while it is seen', () => {
  const storage = new FakeStorage();
  const first = enter({ storage });
  assert.equal(storage.size, 0, 'a tab that is duplicated would have it');
  document.show('hidden');
  const [[key, value]] = storage;
  assert.deepEqual(JSON.parse(value), { token: 'token', peer: 'sue' });
  document.show('visible');
  assert.equal(storage.size, 0);

  first.peer.close();
  storage.setItem(key, value);
  const { peer, socket } = open({ storage });
  assert.equal(storage.size, 0, 'it is used once');
  peer.announce();
  socket.open();
  assert.deepEqual(socket.frames, [
    { type: 'hello', v: 1, resume: 'token', anew: true },
    { type: 'announce', room: 'room', peer: 'sue', data: {} },
  ]);
});

test('a page that is loaded while it is hidden keeps who it is as soon as it knows', () => {
  const storage = new FakeStorage();
  document.show('hidden');
  enter({ storage });
  assert.deepEqual([...storage.values()].map((value) => JSON.parse(value).peer), ['sue']);
});

test('two of one page and room are kept apart, and each is who it was when the page is loaded anew', () => {
  const storage = new FakeStorage();
  const load = () => ['ann', 'zoe'].map((peer) => {
    const { socket, peer: it } = open({ storage });
    it.announce();
    socket.open();
    const [{ peer: known }] = socket.said('announce');
    socket.greet({ peer, resume: `token of ${peer}` });
    return { it, known };
  });
  const first = load();
  assert.deepEqual(first.map(({ known }) => known), [undefined, undefined]);
  document.show('hidden');
  const kept = [...storage];
  // The page goes, and its storage stays.
  for (const { it } of first) it.close();
  document.show('visible');
  for (const [key, value] of kept) storage.setItem(key, value);
  assert.deepEqual(load().map(({ known }) => known), ['ann', 'zoe']);
});

test('what was kept for another id, or by somebody else, is of no use', () => {
  const storage = new FakeStorage();
  const first = enter({ storage });
  document.show('hidden');
  const [[key, value]] = storage;
  first.peer.close();
  for (const [kept, id] of [[value, 'other'], ['{', 'sue'], ['{"token":7}', 'sue'], ['null', 'sue']]) {
    storage.setItem(key, kept);
    const { peer, socket } = open({ storage, id });
    socket.open();
    assert.deepEqual(socket.said('hello'), [{ type: 'hello', v: 1 }]);
    peer.close();
  }
});

for (const [what, wake] of [
  ['is seen again', () => document.show('visible')],
  ['comes back from where it was kept', () => globalThis.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }))],
  ['goes on after it was frozen', () => document.dispatchEvent(new Event('resume'))],
  ['has its network again', () => globalThis.dispatchEvent(new Event('online'))],
]) {
  test(`a page that ${what} does not believe its socket, and does not wait for the next try`, () => {
    const { socket } = enter();
    wake();
    assert.deepEqual(socket.said('ping').length, 1);
    socket.lose();
    assert.equal(sockets.length, 1);
    wake();
    assert.equal(sockets.length, 2);
  });
}

test('a page that is loaded, and not for the first time, has nothing to wake', () => {
  const { socket } = enter();
  globalThis.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: false }));
  assert.deepEqual(socket.said('ping'), []);
});

test('a page that is thrown away leaves, and one that is kept does not', () => {
  for (const [persisted, expected] of [[true, 0], [false, 1]]) {
    const { peer, socket } = enter();
    globalThis.dispatchEvent(Object.assign(new Event('pagehide'), { persisted }));
    assert.equal(socket.said('leave').length, expected);
    peer.close();
  }
});

test('a node that does not want it back ends it, and whatever waits', async () => {
  const { peer, socket } = enter();
  const errors = [];
  peer.addEventListener('error', ({ detail }) => errors.push(detail.code));
  const promises = [peer.send('bob', 1), peer.request('bob'), peer.announce({})];
  socket.onclose({ code: 3502, reason: 'superseded' });
  assert.equal(peer.state, 'closed');
  assert.deepEqual(errors, [3502]);
  for (const promise of promises) assert.notEqual(await outcome(promise), 'pending');
  assert.equal(sockets.length, 1);
});

test('who is put out of the room is connected and not announced, and may announce itself again', async () => {
  const { peer, socket } = enter({ id: 'sue' });
  const [states, errors] = [[], []];
  peer.addEventListener('state', ({ detail: { state, code } }) => states.push([state, code]));
  peer.addEventListener('error', ({ detail }) => errors.push([detail.code, peer.state, peer.members.size]));
  socket.hear({ type: 'error', code: 'id-in-use', message: 'taken', temporary: true, about: 'announce' });
  assert.deepEqual(states, [['connected', 'id-in-use']]);
  assert.deepEqual(errors, [['id-in-use', 'connected', 0]]);
  const announced = peer.announce({});
  socket.hear({ type: 'members', room: 'room', peer: 'sue', resume: 'token', peers: [] });
  assert.ok((await outcome(announced)).value);
  assert.equal(peer.state, 'announced');
});

test('what is closed says that it leaves, and says nothing more', async () => {
  const { peer, socket } = enter();
  peer.close();
  peer.close();
  assert.equal(socket.said('leave').length, 1);
  assert.equal(socket.readyState, 3);
  assert.equal((await outcome(peer.send('bob', 1))).code, 'not-announced');
});
