// Calls of the demo page that are made before the page knows its STUN and TURN servers.

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

/** Two tabs in a call that only the relay can carry, of which what each asks of /v1/ice is answered by `answer`. */
async function callWhere(t, answer) {
  const { own } = scope(t);
  const server = own(await startServer({ command: 'dev' }), (s) => s.stop());
  const openAndJoin = async (name) => {
    const prepare = (page) => page.route('**/v1/ice', answer);
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

test('a call that is made before the servers are known waits for them', LIMIT, async (t) => {
  const held = [];
  let goOn;
  const isHeld = new Promise((done) => { goOn = done; });
  const both = await callWhere(t, async (route) => {
    held.push(route);
    await isHeld;
    await route.continue().catch(() => {}); // the page may have lost patience with this one and asked again
  });
  assert.ok(held.length >= 2, 'each has asked');
  for (const tab of both) assert.equal((await tab.opened()).connections, 0);
  goOn();
  await Promise.all(both.map((tab) => tab.untilCall('connected')));
});

test('a call that is made before the servers are known gets them though the first answer is an error', LIMIT, async (t) => {
  const failed = new Set();
  const both = await callWhere(t, (route) => {
    const page = route.request().frame().page();
    if (failed.has(page)) return route.continue();
    failed.add(page);
    return route.fulfill({ status: 503, body: '{}' });
  });
  await Promise.all(both.map((tab) => tab.untilCall('connected')));
});

test('a call between two who never learn of any server goes on without them', LIMIT, async (t) => {
  const both = await callWhere(t, (route) => route.abort());
  for (const tab of both) {
    await eventually(`${tab.name} to try`, tab.opened, ({ connections }) => connections === 1, { within: 15000 });
  }
  const configurations = both.map((tab) => tab.page.evaluate(() => window.connections[0].getConfiguration().iceServers));
  assert.deepEqual(await Promise.all(configurations), [[], []]);
});
