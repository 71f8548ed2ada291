// The browser library in Chromium at two nodes over Redis, of which one is killed or stops.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { eventually, letPass } from '../harness/js/bounded.mjs';
import { launchChromium } from '../harness/js/chromium.mjs';
import { assertTalk, call, openMember, serveLibrary, told, untilState, untilTold } from '../harness/js/library.mjs';
import { startProxy } from '../harness/js/proxy.mjs';
import { startRedis } from '../harness/js/redis.mjs';
import { scope } from '../harness/js/scope.mjs';
import { startServer } from '../harness/js/server.mjs';

const LIMIT = { timeout: 90000 };
// By which every node of a cluster knows the resume tokens of the others.
const KEY = fileURLToPath(new URL('../harness/cluster.key', import.meta.url));
const LEASE = 3000;
const PROMISED = 5000; // in which a call succeeds or says why not

let browser;
let site;
let redis;
before(async () => {
  redis = await startRedis();
  site = await serveLibrary();
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
  await site?.close();
  await redis?.close();
});

async function startNode(own, prefix) {
  const cluster = ['--redis', redis.url, '--redis-prefix', `${prefix}:`, '--cluster-key-file', KEY];
  const args = [...cluster, '--lease', `${LEASE}ms`];
  const node = own(await startServer({ args }), (s) => s.stop());
  const health = () => fetch(`${node.url}/healthz/cluster`).then(({ status }) => status);
  await eventually('the cluster to be well', health, (status) => status === 200, { within: 10000 });
  return node;
}

/** Bob at the first node, Sue at the second, behind a proxy. */
async function startApart(t, room, { answers = 'yes' } = {}) {
  const { own } = scope(t);
  const nodes = [await startNode(own, room), await startNode(own, room)];
  const proxy = own(await startProxy(nodes[1].port));
  const join = (name, url, options) =>
    openMember(own, browser, site, url, { name, room, id: name.toLowerCase(), ...options });
  const bob = await join('Bob', nodes[0].url);
  const sue = await join('Sue', proxy.url, { answers });
  await untilTold(bob, 'joined', ({ id }) => id === 'sue');
  return {
    bob,
    sue,
    async killSecond() {
      const killed = nodes[1].kill();
      proxy.leadTo(nodes[0].port);
      await killed;
    },
    async stopSecond() {
      const stopped = nodes[1].stop();
      proxy.leadTo(nodes[0].port);
      const { code } = await stopped;
      assert.equal(code, 0, nodes[1].log.describe());
    },
  };
}

const numbers = (first, count) => Array.from({ length: count }, (_, at) => first + at);
const bodies = (member) => told(member, 'message').map(({ body }) => body);
const untilSent = ({ journal }, count) => journal.untilCount('acknowledged messages', count, (entry) => 'sent' in entry, { within: 20000 });

test('two at two nodes call each other', LIMIT, async (t) => {
  const { bob, sue } = await startApart(t, 'apart');
  await call(bob, { name: 'Sue' });
  await untilState(bob, 'active');
  await assertTalk(bob, sue, 'hello');
});

for (const when of ['before she answers', 'right after her answer']) {
  test(`a call to one whose node is killed ${when} succeeds within 5 s`, LIMIT, async (t) => {
    const { bob, sue, killSecond } = await startApart(t, when.replaceAll(' ', '-'), { answers: 'later' });
    const calledAt = Date.now();
    await call(bob, { name: 'Sue' });
    await sue.journal.until('the request', ({ asked }) => asked === 'bob');
    if (when === 'before she answers') {
      await killSecond();
      await sue.page.evaluate(() => decide());
    } else {
      await sue.page.evaluate(() => decide());
      await killSecond();
    }
    const isVerdict = ({ coupling }) => coupling === 'active' || coupling === 'failed';
    const { coupling, reason, at } = await bob.journal.until('a verdict', isVerdict, { within: 2 * PROMISED });
    t.diagnostic(`${coupling} ${reason ?? ''} after ${at - calledAt} ms`);
    // Another node is there: nothing is in the way of the call.
    assert.equal(coupling, 'active', reason);
    assert.ok(at - calledAt <= PROMISED, `active after ${at - calledAt} ms`);
    await assertTalk(bob, sue, 'hello');
    assert.deepEqual(told(bob, 'left'), []);
  });
}

for (const [how, end] of [['is killed', 'killSecond'], ['stops', 'stopSecond']]) {
  test(`while a node ${how}, messages arrive once and in order, the call goes on, and nobody sees a leave`, LIMIT, async (t) => {
    const room = await startApart(t, how.replaceAll(' ', '-'));
    const { bob, sue } = room;
    await call(bob, { name: 'Sue' });
    await untilState(bob, 'active');
    const count = 40;
    await bob.page.evaluate(([to, list]) => sendAll(to, list), ['sue', numbers(0, count)]);
    await sue.page.evaluate(([to, list]) => sendAll(to, list), ['bob', numbers(1000, count)]);
    const from = sue.journal.mark();
    const ended = room[end]();
    await bob.page.evaluate(([to, list]) => sendAll(to, list), ['sue', numbers(count, 20)]);
    await sue.page.evaluate(([to, list]) => sendAll(to, list), ['bob', numbers(1000 + count, 20)]);
    await untilTold(sue, 'state', ({ state }) => state === 'announced', { from, within: 10000 });
    await ended;

    for (const member of [bob, sue]) await untilSent(member, count + 20);
    assert.deepEqual(bodies(sue), numbers(0, count + 20));
    assert.deepEqual(bodies(bob), numbers(1000, count + 20));
    await assertTalk(bob, sue, 'after');
    // By then the peers of a dead node have been told to have left, if they have.
    await letPass(LEASE + 5000);
    for (const member of [bob, sue]) assert.deepEqual(told(member, 'left'), [], member.name);
    await assertTalk(bob, sue, 'at the end');
  });
}
