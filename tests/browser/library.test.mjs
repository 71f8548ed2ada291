// The browser library in Chromium at one node: calls, and losses in all lengths.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { letPass } from '../harness/js/bounded.mjs';
import { launchChromium } from '../harness/js/chromium.mjs';
import {
  assertTalk,
  call,
  memberOf,
  openMember,
  serveLibrary,
  told,
  untilState,
  untilTold,
} from '../harness/js/library.mjs';
import { lastingPort } from '../harness/js/ports.mjs';
import { startProxy } from '../harness/js/proxy.mjs';
import { scope } from '../harness/js/scope.mjs';
import { startServer } from '../harness/js/server.mjs';

const LIMIT = { timeout: 90000 };

let browser;
let site;
before(async () => {
  site = await serveLibrary();
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
  await site?.close();
});

/** A node, and a way to open members of a room at it. */
async function startRoom(t, { args = [] } = {}) {
  const { own } = scope(t);
  const server = own(await startServer({ args }), (s) => s.stop());
  const join = (name, { url = server.url, ...options } = {}) =>
    openMember(own, browser, site, url, { name, room: 'room', id: name.toLowerCase(), ...options });
  return { own, server, join };
}

/** Bob behind a proxy and Sue, in a call. */
async function startCall(t, options) {
  const { own, server, join } = await startRoom(t, options);
  const proxy = own(await startProxy(server.port));
  const sue = await join('Sue', { answers: 'yes' });
  const bob = await join('Bob', { url: proxy.url });
  const ann = await join('Ann');
  await call(bob, { name: 'Sue' });
  await untilState(bob, 'active');
  await assertTalk(bob, sue, 'before');
  return { bob, sue, ann, proxy, server };
}

const isFrom = (id) => (entry) => entry.from === id;
const bodies = (member, from) => told(member, 'message').filter(isFrom(from)).map(({ body }) => body);

test('Bob calls Sue, who has only announced herself, and they talk', LIMIT, async (t) => {
  const { bob, sue } = await startCall(t);
  await bob.journal.until('which way it goes', ({ coupling }) => coupling === 'icecandidatepair');
  assert.deepEqual(
    bob.journal.all(({ coupling }) => coupling === 'statechange').map(({ state }) => state),
    ['negotiating', 'connecting', 'active'],
  );
  await untilState(sue, 'active');
  await bob.page.evaluate(() => couplings[0].close());
  const closed = await sue.journal.until('the end', ({ coupling }) => coupling === 'closed');
  assert.equal(closed.by, 'peer');
});

test('a call to somebody who is not there fails in less than a second, and says so', LIMIT, async (t) => {
  const { join } = await startRoom(t);
  const bob = await join('Bob');
  const asked = Date.now();
  await call(bob, { name: 'Sue' });
  const { reason, at } = await bob.journal.until('the failure', ({ coupling }) => coupling === 'failed');
  assert.equal(reason, 'no-match');
  assert.ok(at - asked < 1000, `after ${at - asked} ms`);
});

test('a call that is declined fails and says so', LIMIT, async (t) => {
  const { join } = await startRoom(t);
  await join('Sue', { answers: 'no' });
  const bob = await join('Bob');
  await call(bob, { name: 'Sue' });
  const { reason } = await bob.journal.until('the failure', ({ coupling }) => coupling === 'failed');
  assert.equal(reason, 'declined');
});

test('a call to somebody who takes it and has no use for it fails and says so', LIMIT, async (t) => {
  const { join } = await startRoom(t);
  // The one with the smaller id offers, so that either side may be the first to speak.
  for (const [name, id] of [['Sue', 'a'], ['Zoe', 'z']]) await join(name, { id });
  const bob = await join('Bob');
  for (const name of ['Sue', 'Zoe']) {
    const from = bob.journal.mark();
    await call(bob, { name });
    const { reason } = await bob.journal.until('the failure', ({ coupling }) => coupling === 'failed', { from });
    assert.equal(reason, 'declined');
  }
});

test('two who call each other at once, and do not answer, have one connection', LIMIT, async (t) => {
  const { join } = await startRoom(t);
  const both = [await join('Ann'), await join('Bob')];
  const [ann, bob] = both;
  await Promise.all([call(ann, { peer: 'bob' }), call(bob, { peer: 'ann' })]);
  await Promise.all(both.map((member) => untilState(member, 'active')));
  await ann.journal.until('an open channel', ({ channel }) => channel === 'open');
  await assertTalk(ann, bob, 'hello');
  for (const { page } of both) assert.equal(await page.evaluate(() => connections.length), 1);
});

test('both sides may change what they send at the same time, again and again', LIMIT, async (t) => {
  const { bob, sue } = await startCall(t);
  for (let round = 1; round <= 4; round += 1) {
    await Promise.all([bob, sue].map(({ page }) => page.evaluate(() => connections[0].addTransceiver('video') && undefined)));
    const isSettled = (count) => {
      const [pc] = connections;
      return pc.signalingState === 'stable' && pc.getTransceivers().filter(({ mid }) => mid !== null).length === count;
    };
    for (const { page } of [bob, sue]) await page.waitForFunction(isSettled, 2 * round, { timeout: 10000 });
    await assertTalk(bob, sue, `round ${round}`);
  }
});

for (const outage of [1000, 5000]) {
  test(`a page without a connection for ${outage / 1000} s: nobody sees it leave, the call goes on, messages arrive`, LIMIT, async (t) => {
    const { bob, sue, ann, proxy } = await startCall(t);
    const numbers = (first) => Array.from({ length: 20 }, (_, at) => first + at);

    proxy.refuse();
    await untilTold(bob, 'state', ({ state }) => state === 'reconnecting');
    const cutAt = Date.now();
    await bob.page.evaluate(([to, list]) => sendAll(to, list), ['sue', numbers(0)]);
    await sue.page.evaluate(([to, list]) => sendAll(to, list), ['bob', numbers(100)]);
    await assertTalk(bob, sue, 'meanwhile');
    await letPass(outage - (Date.now() - cutAt));
    const from = bob.journal.mark();
    proxy.restore();
    await untilTold(bob, 'state', ({ state }) => state === 'announced', { from });

    for (const member of [bob, sue]) await member.journal.untilCount('acknowledged messages', 20, (entry) => 'sent' in entry);
    assert.deepEqual(bodies(sue, 'bob'), numbers(0));
    assert.deepEqual(bodies(bob, 'sue'), numbers(100));
    for (const member of [sue, ann]) {
      assert.deepEqual(told(member, 'left'), []);
      assert.equal(told(member, 'joined').filter(({ id }) => id === 'bob').length, 1, member.name);
    }
    assert.deepEqual(bob.journal.all((entry) => entry.coupling === 'statechange').at(-1).state, 'active');
    await assertTalk(bob, sue, 'after');
  });
}

test('a page without a connection for longer than its window has left, once, and returns', LIMIT, async (t) => {
  const { bob, sue, ann, proxy } = await startCall(t, { args: ['--suspend-window', '1s'] });
  proxy.refuse();
  for (const member of [sue, ann]) await untilTold(member, 'left', ({ id }) => id === 'bob', { within: 10000 });
  await assertTalk(bob, sue, 'the call goes on');
  const marks = [sue, ann].map(({ journal }) => journal.mark());
  const from = bob.journal.mark();
  proxy.restore();
  // By then it tries less often; a page that wakes does not wait.
  await bob.page.evaluate(() => window.dispatchEvent(new Event('online')));
  await untilTold(bob, 'state', ({ state }) => state === 'announced', { from });
  for (const [at, member] of [sue, ann].entries()) {
    await untilTold(member, 'joined', ({ id }) => id === 'bob', { from: marks[at] });
    assert.equal(told(member, 'left').length, 1);
  }
  assert.deepEqual(told({ journal: bob.journal }, 'left'), [], 'nobody else was away');
  await bob.page.evaluate(() => sendAll('sue', ['back']));
  await bob.journal.until('the acknowledgement', ({ sent }) => sent === 'back');
  await assertTalk(bob, sue, 'after');
});

test('a call outlives the node that it was made at, and its pages find each other at the next', LIMIT, async (t) => {
  const { own } = scope(t);
  const port = await lastingPort();
  const start = async () => own(await startServer({ port }), (s) => s.kill());
  const first = await start();
  const both = [];
  for (const [name, answers] of [['Bob'], ['Sue', 'yes']]) {
    both.push(await openMember(own, browser, site, first.url, { name, room: 'room', id: name.toLowerCase(), answers }));
  }
  const [bob, sue] = both;
  await call(bob, { name: 'Sue' });
  await untilState(bob, 'active');
  await assertTalk(bob, sue, 'before');

  await first.kill();
  for (const member of both) await untilTold(member, 'state', ({ state }) => state === 'reconnecting');
  const marks = both.map(({ journal }) => journal.mark());
  // It knows none of the tokens of the one before.
  await start();
  for (const [at, member] of both.entries()) {
    await untilTold(member, 'state', ({ state }) => state === 'announced', { from: marks[at], within: 10000 });
  }
  await bob.page.waitForFunction(() => peer.members.has('sue'), undefined, { timeout: 5000 });
  await bob.page.evaluate(() => sendAll('sue', ['anew']));
  await bob.journal.until('the acknowledgement', ({ sent }) => sent === 'anew');
  await assertTalk(bob, sue, 'after');
  assert.deepEqual(await bob.page.evaluate(() => couplings.map(({ state }) => state)), ['active']);
});

test('a page that is loaded anew is the same peer, and what it says is not taken for what it has said', LIMIT, async (t) => {
  const { server, join } = await startRoom(t);
  const sue = await join('Sue');
  const bob = await join('Bob', { id: undefined });
  await bob.page.evaluate(() => sendAll('sue', ['one', 'two']));
  await bob.journal.untilCount('acknowledged messages', 2, (entry) => 'sent' in entry);
  await bob.page.reload();
  const { id } = await memberOf(bob, server.url, { name: 'Bob', room: 'room' });
  assert.equal(id, bob.id);
  await bob.page.evaluate(() => sendAll('sue', ['three', 'four']));
  await bob.journal.until('the acknowledgement', ({ sent }) => sent === 'four');
  assert.deepEqual(bodies(sue, bob.id), ['one', 'two', 'three', 'four']);
});

test('a page that is closed has left at once', LIMIT, async (t) => {
  const { join } = await startRoom(t);
  const sue = await join('Sue');
  const bob = await join('Bob');
  const at = Date.now();
  await bob.page.goto('about:blank');
  const left = await untilTold(sue, 'left', ({ id }) => id === 'bob');
  assert.equal(left.reason, 'left');
  assert.ok(left.at - at < 2000);
});

test('another page cannot take an id, and its owner does not notice', LIMIT, async (t) => {
  const { join } = await startRoom(t);
  const sue = await join('Sue');
  const bob = await join('Bob');
  const from = bob.journal.mark();
  const thief = await join('Thief', { id: 'bob' });
  assert.equal(thief.journal.all(({ refused }) => refused)[0]?.refused, 'id-in-use');
  await sue.page.evaluate(() => sendAll('bob', ['to the owner']));
  await untilTold(bob, 'message', isFrom('sue'), { from });
  assert.deepEqual(told(thief, 'message'), []);
  assert.deepEqual(told({ journal: { all: (m) => bob.journal.entries.slice(from).filter(m) } }, 'state', 'error'), []);
  assert.deepEqual(told(sue, 'left', 'suspended', 'resumed', 'updated'), []);
});
