// Unmodified rtc-quickconnect 8.0.0 in Chromium, at two nodes over Redis of which one goes away.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { eventually, letPass } from '../harness/js/bounded.mjs';
import { launchChromium } from '../harness/js/chromium.mjs';
import { assertEcho, assertUndisturbed, joinRoom, untilOpen } from '../harness/js/participants.mjs';
import { startProxy } from '../harness/js/proxy.mjs';
import { serveQuickconnect } from '../harness/js/quickconnect.mjs';
import { startRedis } from '../harness/js/redis.mjs';
import { scope } from '../harness/js/scope.mjs';
import { startServer } from '../harness/js/server.mjs';

const LIMIT = { timeout: 90000 };
const LEASE = 3000;
// By then the peers of a dead node have been told to have left: the lease, up to four seconds, and one more.
const VERDICT = LEASE + 4000 + 1000;

let browser;
let site;
let redis;
before(async () => {
  redis = await startRedis();
  site = await serveQuickconnect();
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
  await site?.close();
  await redis?.close();
});

async function startNode(own, cluster) {
  const args = ['--redis', redis.url, '--redis-prefix', `${cluster}:`, '--lease', `${LEASE}ms`, '--suspend-window', '2s'];
  const node = own(await startServer({ args }), (s) => s.stop());
  const health = () => fetch(`${node.url}/healthz/cluster`).then(({ status }) => status);
  await eventually('the cluster to be well', health, (status) => status === 200, { within: 10000 });
  return node;
}

/** Ann at the first node, Bob at the second, behind a proxy each, with an open channel between them. */
async function callAcross(own, room) {
  const nodes = [await startNode(own, room), await startNode(own, room)];
  const proxies = [];
  for (const { port } of nodes) proxies.push(own(await startProxy(port)));
  const ann = await joinRoom(own, browser, site, 'Ann', proxies[0].url, room);
  const bob = await joinRoom(own, browser, site, 'Bob', proxies[1].url, room);
  await untilOpen(ann, bob);
  await untilOpen(bob, ann);
  await assertEcho(ann, bob, 'from Ann');
  await assertEcho(bob, ann, 'from Bob');
  return { ann, bob, nodes, toSecond: proxies[1] };
}

/** What is left after Bob's node has gone: Bob is at the first one, and nobody has noticed. */
async function assertGoesOn({ ann, bob }, since, goneAt) {
  const back = ({ event }) => event === 'message:roominfo';
  await bob.journal.until('the loss', ({ event }) => event === 'disconnected', { from: since.bob });
  await bob.journal.until('the answer to the new announce', back, { from: since.bob });
  const isUpdate = ({ event, peer }) => event === 'peer:update' && peer === bob.id;
  await ann.journal.until('the update', isUpdate, { from: since.ann });
  await assertEcho(ann, bob, 'after');

  await letPass(VERDICT - (Date.now() - goneAt));
  for (const { journal } of [ann, bob]) {
    await journal.until('a ping', ({ event }) => event === 'message:ping', { from: journal.mark() });
  }
  await assertEcho(ann, bob, 'Ann at the end');
  await assertEcho(bob, ann, 'Bob at the end');
  assertUndisturbed(ann, bob);
  for (const { name, page } of [ann, bob]) {
    const states = await page.evaluate(() => connections.map(({ connectionState }) => connectionState));
    assert.deepEqual(states, ['connected'], `${name} has the connection it had`);
  }
}

const marks = ({ ann, bob }) => ({ ann: ann.journal.mark(), bob: bob.journal.mark() });

test('two pages at two nodes open a data channel and echo', LIMIT, async (t) => {
  const { own } = scope(t);

  const { ann, bob } = await callAcross(own, 'apart');

  assertUndisturbed(ann, bob);
});

test('a page whose node is killed reconnects to the other: the call goes on, and nobody sees a leave', LIMIT, async (t) => {
  const { own } = scope(t);
  const call = await callAcross(own, 'killed');
  const since = marks(call);

  const goneAt = Date.now();
  const killed = call.nodes[1].kill();
  call.toSecond.leadTo(call.nodes[0].port);
  await killed;

  await assertGoesOn(call, since, goneAt);
});

test('a page whose node is told to stop moves to the other: the call goes on, and nobody sees a leave', LIMIT, async (t) => {
  const { own } = scope(t);
  const call = await callAcross(own, 'stopped');
  const since = marks(call);

  const goneAt = Date.now();
  const stopped = call.nodes[1].stop();
  call.toSecond.leadTo(call.nodes[0].port);
  const { code } = await stopped;
  assert.equal(code, 0, call.nodes[1].log.describe());

  await assertGoesOn(call, since, goneAt);
});

test('a page whose node is killed and that does not come back has left, once', LIMIT, async (t) => {
  const { own } = scope(t);
  const { ann, bob, nodes, toSecond } = await callAcross(own, 'lost');
  const isLeave = ({ event }) => event === 'message:leave';

  const goneAt = Date.now();
  const killed = nodes[1].kill();
  toSecond.refuse();
  await killed;

  await ann.journal.until('the leave', isLeave, { within: VERDICT });
  const isEnd = ({ event, peer }) => event === 'call:ended' && peer === bob.id;
  await ann.journal.until('the end of the call', isEnd);
  await letPass(VERDICT - (Date.now() - goneAt));
  assert.deepEqual(ann.journal.all(isLeave).map(({ peer }) => peer), [bob.id], ann.journal.describe());
});
