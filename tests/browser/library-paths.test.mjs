// The browser library's couplings when there is no path, when it is lost, and when the network is another one.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { letPass } from '../harness/js/bounded.mjs';
import { launchChromium } from '../harness/js/chromium.mjs';
import { assertTalk, call, openMember, serveLibrary, told, untilState } from '../harness/js/library.mjs';
import { scope } from '../harness/js/scope.mjs';
import { startServer } from '../harness/js/server.mjs';

const LIMIT = { timeout: 120000 };

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

/** Bob and Sue, whose connections use the relay alone where `policy` says so. */
async function startPair(t, { command = 'signal', policy = 'all', ids = ['bob', 'sue'] } = {}) {
  const { own } = scope(t);
  const server = own(await startServer({ command }), (s) => (process.kill(s.pid, 'SIGCONT'), s.stop()));
  const both = [];
  for (const [name, id, answers] of [['Bob', ids[0], undefined], ['Sue', ids[1], 'yes']]) {
    const member = await openMember(own, browser, site, server.url, { name, room: 'room', id, answers });
    await member.page.evaluate((wanted) => { configuration = { iceTransportPolicy: wanted }; }, policy);
    both.push(member);
  }
  return { server, bob: both[0], sue: both[1] };
}

const fragments = ({ page }) =>
  page.evaluate(() => /a=ice-ufrag:(\S+)/.exec(connections[0].localDescription.sdp)[1]);

test('the servers that the node tells of are used: two whose only way is its relay are connected', LIMIT, async (t) => {
  const { bob, sue } = await startPair(t, { command: 'dev', policy: 'relay' });
  await call(bob, { name: 'Sue' });
  await untilState(bob, 'active');
  const pair = await bob.journal.until('which way it goes', ({ coupling }) => coupling === 'icecandidatepair');
  assert.equal(pair.isRelayed, true);
  assert.equal(pair.local.type, 'relay');
  await assertTalk(bob, sue, 'over the relay');
});

test('two between whom there is no path are told so in bounded time, both of them', LIMIT, async (t) => {
  const { bob, sue } = await startPair(t, { policy: 'relay' });
  await call(bob, { name: 'Sue' });
  for (const { journal } of [bob, sue]) {
    const { reason } = await journal.until('the failure', ({ coupling }) => coupling === 'failed', { within: 25000 });
    assert.equal(reason, 'no-path');
  }
});

for (const ids of [['a', 'b'], ['b', 'a']]) {
  const who = ids[0] < ids[1] ? 'caller offers' : 'caller is offered to';
  test(`a network that is another one is noticed, and another path is looked for (the ${who})`, LIMIT, async (t) => {
    const { bob, sue } = await startPair(t, { ids });
    await call(bob, { name: 'Sue' });
    await untilState(bob, 'active');
    await untilState(sue, 'active');
    const before = [await fragments(bob), await fragments(sue)];
    await bob.page.evaluate(() => window.dispatchEvent(new Event('online')));
    const isNew = (old) => !connections[0].localDescription.sdp.includes(`a=ice-ufrag:${old}\r\n`) && connections[0].signalingState === 'stable';
    for (const [at, { page }] of [bob, sue].entries()) await page.waitForFunction(isNew, before[at], { timeout: 10000 });
    await assertTalk(bob, sue, 'on the new path');
    assert.equal(await bob.page.evaluate(() => couplings[0].state), 'active');
  });
}

test('a path that is lost together with the node is found again when that is back', LIMIT, async (t) => {
  const { server, bob, sue } = await startPair(t, { command: 'dev', policy: 'relay' });
  await call(bob, { name: 'Sue' });
  await untilState(bob, 'active');
  await assertTalk(bob, sue, 'before');
  const marks = [bob, sue].map(({ journal }) => journal.mark());
  process.kill(server.pid, 'SIGSTOP');
  await Promise.all([bob, sue].map((member, at) => untilState(member, 'connecting', { from: marks[at], within: 20000 })));
  await letPass(4500); // by then both have looked for another path
  process.kill(server.pid, 'SIGCONT');
  await Promise.all([bob, sue].map((member, at) => untilState(member, 'active', { from: marks[at], within: 25000 })));
  await assertTalk(bob, sue, 'after');
  for (const member of [bob, sue]) assert.deepEqual(told(member, 'left'), []);
});
