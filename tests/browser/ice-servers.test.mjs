// The STUN and TURN servers of the demo page's calls, which the node tells as it greets.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { eventually } from '../harness/js/bounded.mjs';
import { launchChromium } from '../harness/js/chromium.mjs';
import { openTab } from '../harness/js/demo.mjs';
import { scope } from '../harness/js/scope.mjs';
import { startServer } from '../harness/js/server.mjs';

const LIMIT = { timeout: 90000 };

let browser;
before(async () => {
  browser = await launchChromium();
});
after(() => browser?.close());

/** Two tabs in a call that only the relay can carry, to whom /v1/ice is out of reach. */
async function callAt(t, command) {
  const { own } = scope(t);
  const server = own(await startServer({ command }), (s) => s.stop());
  const openAndJoin = async (name) => {
    const prepare = (page) => page.route('**/v1/ice', (route) => route.abort());
    const opened = own(await openTab(browser, server.url, name, 'early', { relayOnly: true, prepare }));
    await opened.join();
    return opened;
  };
  const both = [await openAndJoin('Ann'), await openAndJoin('Bob')];
  const [ann, bob] = both;
  await Promise.all([ann.see('Bob'), bob.see('Ann')]);
  await ann.call('Bob', 'call-data');
  await bob.answer('answer-data');
  await Promise.all(both.map((tab) => tab.untilCall('connecting')));
  return both;
}

const serversOf = (tab) => tab.page.evaluate(() => window.connections[0].getConfiguration().iceServers);

test('a call has the servers that the node told in its greeting, and asks for no others', LIMIT, async (t) => {
  const both = await callAt(t, 'dev');
  await Promise.all(both.map((tab) => tab.untilCall('connected')));
  for (const tab of both) {
    const urls = (await serversOf(tab)).flatMap((server) => server.urls);
    assert.ok(urls.some((url) => url.startsWith('turn:')), `${tab.name} has ${urls}`);
  }
});

test('a call at a node without any server goes on without them', LIMIT, async (t) => {
  const both = await callAt(t, 'signal');
  for (const tab of both) {
    await eventually(`${tab.name} to try`, tab.opened, ({ connections }) => connections === 1, { within: 15000 });
    assert.deepEqual(await serversOf(tab), []);
  }
});
