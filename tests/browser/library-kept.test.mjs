// The browser library in pages that Chromium stops, and keeps for who may go back to them.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { letPass } from '../harness/js/bounded.mjs';
import { launchChromium } from '../harness/js/chromium.mjs';
import { openMember, serveLibrary, told, untilTold } from '../harness/js/library.mjs';
import { startProxy } from '../harness/js/proxy.mjs';
import { scope } from '../harness/js/scope.mjs';
import { startServer } from '../harness/js/server.mjs';

const LIMIT = { timeout: 60000 };
const AT_ONCE = 1000;

let browser;
let site;
before(async () => {
  site = await serveLibrary();
  browser = await launchChromium({ keepsPages: true });
});
after(async () => {
  await browser?.close();
  await site?.close();
});

/** Sue, and Bob behind a proxy, who have each said something to the other. */
async function startPair(t) {
  const { own } = scope(t);
  const server = own(await startServer({}), (s) => s.stop());
  const proxy = own(await startProxy(server.port));
  const join = (name, { url }) => openMember(own, browser, site, url, { name, room: 'room', id: name.toLowerCase() });
  const sue = await join('Sue', server);
  const bob = await join('Bob', proxy);
  await say(sue, 'bob', ['before']);
  await say(bob, 'sue', ['before']);
  for (const { journal } of [sue, bob]) await journal.until('the acknowledgement', ({ sent }) => sent === 'before');
  return { sue, bob, proxy };
}

const say = ({ page }, to, list) => page.evaluate(([peer, bodies]) => sendAll(peer, bodies), [to, list]);
const bodies = (member) => told(member, 'message').map(({ body }) => body);

/** All that was said has come, once and in order, and nobody has left. */
async function assertAll({ sue, bob }) {
  await say(sue, 'bob', ['after']);
  await say(bob, 'sue', ['after']);
  for (const { journal } of [sue, bob]) await journal.until('the acknowledgement', ({ sent }) => sent === 'after');
  assert.deepEqual(bodies(bob), ['before', 'one', 'two', 'three', 'after']);
  assert.deepEqual(bodies(sue), ['before', 'after']);
  for (const member of [sue, bob]) assert.deepEqual(told(member, 'left'), [], member.name);
}

for (const isMissed of [false, true]) {
  const how = isMissed ? 'whose connection the node has lost' : 'whose socket looks open to the node';
  test(`a page that its user goes back to, ${how}, is there at once, and hears once what was said meanwhile`, LIMIT, async (t) => {
    const { sue, bob, proxy } = await startPair(t);
    await bob.page.evaluate(() => {
      window.addEventListener('pageshow', ({ persisted }) => report({ pageshow: persisted, at: Date.now() }));
    });
    await bob.page.goto('about:blank');
    if (isMissed) {
      proxy.cut();
      await untilTold(sue, 'suspended', ({ id }) => id === 'bob');
    }
    await say(sue, 'bob', ['one', 'two', 'three']);
    await letPass(1000);
    assert.deepEqual(bodies(bob), ['before']);
    const from = bob.journal.mark();
    await bob.page.goBack({ waitUntil: 'commit' });
    const shown = await bob.journal.until('the page to be back', ({ pageshow }) => pageshow !== undefined, { from });
    assert.equal(shown.pageshow, true, 'it is the page that was left');
    const back = await untilTold(bob, 'state', ({ state }) => state === 'announced', { from });
    assert.ok(back.at - shown.at < AT_ONCE, `after ${back.at - shown.at} ms`);
    await assertAll({ sue, bob });
  });
}
