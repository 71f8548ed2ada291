// Calls that only the relay can carry, in Chromium.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { eventually } from '../harness/js/bounded.mjs';
import { errorsOf, launchChromium, openPage } from '../harness/js/chromium.mjs';
import { openTab } from '../harness/js/demo.mjs';
import { serveQuickconnect } from '../harness/js/quickconnect.mjs';
import { scope } from '../harness/js/scope.mjs';
import { metric, startServer } from '../harness/js/server.mjs';

const LIMIT = { timeout: 90000 };

let browser;
let site;
before(async () => {
  site = await serveQuickconnect();
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
  await site?.close();
});

/** Runs inside a page: the ends of the pair that a connection uses, and what it has received. */
async function readPath(connection) {
  const reports = [...(await connection.getStats()).values()];
  const find = (wanted) => reports.find(({ id }) => id === wanted);
  const sum = (type, key) =>
    reports.filter((report) => report.type === type).reduce((total, report) => total + (report[key] ?? 0), 0);
  const pair = find(reports.find(({ type }) => type === 'transport')?.selectedCandidatePairId);
  return {
    types: [pair?.localCandidateId, pair?.remoteCandidateId].map((id) => find(id)?.candidateType),
    bytes: pair?.bytesReceived ?? 0,
    frames: sum('inbound-rtp', 'framesDecoded'),
    messages: sum('data-channel', 'messagesReceived'),
  };
}

/** What tells causes apart when a call does not come about is said with the failure. */
async function explained(server, tabs, happens) {
  try {
    return await happens;
  } catch (failure) {
    const logs = await Promise.all(tabs.map(async (tab) => `${tab.name}'s log:\n${await tab.log()}`));
    const metrics = await (await fetch(`${server.adminUrl}/metrics`)).text();
    const turn = metrics.split('\n').filter((line) => line.startsWith('trunkline_turn_'));
    failure.message = [failure.message, ...logs, `the relay:\n${turn.join('\n')}`].join('\n\n');
    throw failure;
  }
}

/** The last connection of a page, once both of its ends are relays and `enough` of what it has received. */
function untilRelayed(opened, what, enough = () => true) {
  const read = () => opened.page.evaluate(`(${readPath})(connections.at(-1))`);
  const isRelayed = (path) => path.types.every((type) => type === 'relay') && enough(path);
  return eventually(`${opened.name} to get ${what} through two relays`, read, isRelayed, { within: 15000, every: 100 });
}

test('two tabs of the demo page that use the relay alone see each other, and say so', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer({ command: 'dev' }), (s) => s.stop());
  const openAndJoin = async (name) => {
    const opened = own(await openTab(browser, server.url, name, 'relayed', { relayOnly: true }));
    await opened.join();
    return opened;
  };
  const [ann, bob] = [await openAndJoin('Ann'), await openAndJoin('Bob')];
  await Promise.all([ann.see('Bob'), bob.see('Ann')]);

  await ann.call('Bob', 'call-video');
  await bob.answer('answer-video');
  const both = [ann, bob];
  await explained(server, both, Promise.all(both.map((tab) => tab.untilCall('connected'))));
  await explained(server, both, Promise.all(both.map((tab) => tab.untilPictureMoves('over the relay'))));

  // Frames and messages of a connection come over the one pair that it uses.
  for (const tab of [ann, bob]) {
    const before = await untilRelayed(tab, 'anything');
    await untilRelayed(
      tab,
      'more of video and data',
      ({ frames, messages, bytes }) =>
        frames > before.frames + 5 && messages > before.messages && bytes > before.bytes,
    );
  }
  for (const { page } of [ann, bob]) {
    await page.waitForSelector('#calls [data-call] .pair[data-kind="relayed"]', { timeout: 10000 });
    assert.match(await page.locator('#calls .pair').innerText(), /^relayed · /);
  }
  assert.ok((await metric(server, 'trunkline_turn_relayed_packets_total{to="peer"}')) > 50);
  assert.ok((await metric(server, 'trunkline_turn_relayed_packets_total{to="client"}')) > 50);
  assert.ok((await metric(server, 'trunkline_turn_allocations')) >= 2);
  for (const opened of [ann, bob]) assert.deepEqual(errorsOf(opened), []);
});

test('unmodified quickconnect gets its servers from the node, and talks and shows pictures through the relay', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer({ command: 'dev' }), (s) => s.stop());
  const participant = async (name) => {
    const opened = own(await openPage(browser, name));
    await opened.page.goto(site.url);
    opened.id = await opened.page.evaluate((host) => join(host, 'relayed', 'relay'), server.url);
    await opened.journal.until('the answer to its announce', ({ event }) => event === 'message:roominfo');
    return opened;
  };
  const [ann, bob] = [await participant('Ann'), await participant('Bob')];
  for (const [from, to] of [[ann, bob], [bob, ann]]) {
    await from.journal.until('an open channel', ({ open }) => open === to.id, { within: 20000 });
    await from.page.evaluate((peer) => say(peer, 'echo over the relay'), to.id);
    await from.journal.until('the echo', ({ from: source, text }) => source === to.id && text === 'echoed over the relay');
  }
  for (const participant of [ann, bob]) {
    const before = await untilRelayed(participant, 'messages', ({ messages }) => messages > 0);
    await untilRelayed(participant, 'more pictures', ({ frames }) => frames > before.frames + 5);
  }
});
