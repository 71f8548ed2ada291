// The demo page in Chromium, with a camera that films a test picture.

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { eventually, letPass } from '../harness/js/bounded.mjs';
import { errorsOf, launchChromium } from '../harness/js/chromium.mjs';
import { NARROW, openTab, WIDE } from '../harness/js/demo.mjs';
import { startProxy } from '../harness/js/proxy.mjs';
import { scope } from '../harness/js/scope.mjs';
import { startServer } from '../harness/js/server.mjs';

const LIMIT = { timeout: 90000 };
const SCREENSHOTS = process.env.SCREENSHOTS ?? fileURLToPath(new URL('screenshots-out', import.meta.url));
const OUTAGE = 1000;
const WINDOW = 4000;

let browser;
before(async () => {
  await mkdir(SCREENSHOTS, { recursive: true });
  browser = await launchChromium();
});
after(() => browser?.close());

/** Two tabs that have joined one room and see each other. */
async function twoTabs(own, annUrl, bobUrl, room) {
  const ann = own(await openTab(browser, annUrl, 'Ann', room));
  await ann.join();
  const bob = own(await openTab(browser, bobUrl, 'Bob', room));
  await bob.join();
  await Promise.all([ann.see('Bob'), bob.see('Ann')]);
  return [ann, bob];
}

async function videoCall(ann, bob) {
  await ann.call('Bob', 'call-video');
  await Promise.all([ann.untilCall('connected'), bob.untilCall('connected')]);
  await Promise.all([ann.untilPictureMoves('at first'), bob.untilPictureMoves('at first')]);
}

/** Photographs the page at both sizes and checks that the page fits into each. */
async function assertFits({ page, name }, moment) {
  for (const size of [NARROW, WIDE]) {
    await page.setViewportSize(size);
    const file = join(SCREENSHOTS, `${moment}-${size.width}x${size.height}.png`);
    await page.screenshot({ path: file, animations: 'disabled' });
    const { scrollWidth, innerWidth } = await page.evaluate(() => ({
      scrollWidth: document.scrollingElement.scrollWidth,
      innerWidth,
    }));
    assert.ok(scrollWidth <= innerWidth, `${name} at ${size.width} wide is ${scrollWidth} wide: see ${file}`);
  }
}

function assertNoErrors(...tabs) {
  for (const tab of tabs) assert.deepEqual(errorsOf(tab), [], `errors in the tab of ${tab.name}`);
}

test('two tabs call each other with camera, and the page says by which path', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.stop());
  const [ann, bob] = await twoTabs(own, server.url, server.url, 'video');

  await videoCall(ann, bob);

  for (const tab of [ann, bob]) {
    const pair = tab.page.locator('#calls [data-call] .pair');
    const text = await eventually(`the path at ${tab.name}`, () => pair.innerText(), (shown) => shown.includes('·'));
    assert.match(text, /^direct · IPv[46] · udp( · (<1|\d+) ms)?$/);
    assert.equal(await pair.getAttribute('data-kind'), 'direct');
    assert.equal(await tab.page.locator('video[data-local]').evaluate((video) => video.videoWidth > 0), true);
  }

  await ann.call('Bob', 'hangup');
  await Promise.all([ann.untilCall('ended'), bob.untilCall('ended')]);
  assertNoErrors(ann, bob);
});

test('two tabs call each other without a camera', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.stop());
  const [ann, bob] = await twoTabs(own, server.url, server.url, 'data');

  await bob.call('Ann', 'call-data');

  await Promise.all([ann.untilCall('connected'), bob.untilCall('connected')]);
  assertNoErrors(ann, bob);
});

test('chat arrives at the other tab as it was written', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.stop());
  const [ann, bob] = await twoTabs(own, server.url, server.url, 'chat');
  const lines = ['hello Bob', 'either|or', '<b>not bold</b> & "quoted" ☃'];

  for (const line of lines) await ann.chat(line);
  await bob.chat('hello Ann');

  const arrived = await eventually('Ann’s lines at Bob', bob.chatLog, (log) => log.length >= 4);
  lines.forEach((line, index) => assert.ok(arrived[index].includes(line), `${line} in ${arrived[index]}`));
  await eventually('Bob’s line at Ann', ann.chatLog, (log) => log.some((line) => line.includes('hello Ann')));
  assertNoErrors(ann, bob);
});

test('the page fits a phone and a desktop, before joining, in the room and in a call', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.stop());
  const visitor = own(await openTab(browser, server.url, 'Visitor', 'fits'));
  await assertFits(visitor, 'before-joining');

  const [ann, bob] = await twoTabs(own, server.url, server.url, 'fits');
  await assertFits(ann, 'in-the-room');

  await videoCall(ann, bob);
  await bob.chat('A long line, longer than a phone is wide, with a-word-that-has-no-place-to-break'.repeat(2));
  await eventually('the line at Ann', ann.chatLog, (log) => log.length > 0);
  await assertFits(ann, 'in-a-call');
  assertNoErrors(visitor, ann, bob);
});

test('when a tab is closed the other sees it leave within two seconds', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.stop());
  const [ann, bob] = await twoTabs(own, server.url, server.url, 'close');
  await videoCall(ann, bob);

  // As a user closes it: the page hears of it.
  await bob.page.close({ runBeforeUnload: true });

  await ann.peer('Bob').waitFor({ state: 'detached', timeout: 2000 });
  await ann.untilCall('ended', { within: 2000 });
  assertNoErrors(ann);
});

test('a tab that leaves is gone from the list of the other at once', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.stop());
  const [ann, bob] = await twoTabs(own, server.url, server.url, 'leave');

  await bob.page.click('#leave');

  await ann.peer('Bob').waitFor({ state: 'detached', timeout: 1000 });
  await bob.untilStatus('offline');
  assertNoErrors(ann, bob);
});

test('a tab whose socket is gone for a second comes back, and its call goes on', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer({ args: ['--suspend-window', `${WINDOW}ms`] }), (s) => s.stop());
  const proxy = own(await startProxy(server.port));
  const [ann, bob] = await twoTabs(own, proxy.url, server.url, 'cut');
  await videoCall(ann, bob);

  const [fromAnn, fromBob] = [ann.journal.mark(), bob.journal.mark()];
  const cutAt = Date.now();
  proxy.refuse();
  await ann.untilStatus('reconnecting', { from: fromAnn });
  await bob.chat('written meanwhile');
  await letPass(OUTAGE - (Date.now() - cutAt));
  proxy.restore();
  await ann.untilStatus('joined', { from: fromAnn });

  await eventually('what was written meanwhile', ann.chatLog, (log) => log.length === 1);
  // Until the window that the loss opened is over.
  await letPass(WINDOW + 1000 - (Date.now() - cutAt));
  await Promise.all([ann.untilPictureMoves('after the cut'), bob.untilPictureMoves('after the cut')]);
  assert.deepEqual([ann.callStates(fromAnn), bob.callStates(fromBob)], [[], []], 'changes of the call’s state');
  assert.equal(await ann.peer('Bob').count(), 1);
  assert.equal(await bob.peer('Ann').count(), 1);
  // The browser itself writes to Ann's console that it could not connect.
  assert.deepEqual(ann.journal.all((entry) => 'thrown' in entry), []);
  assertNoErrors(bob);
});
