// The demo page in Chromium, with a camera that films a test picture.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { eventually, letPass } from '../harness/js/bounded.mjs';
import { errorsOf, launchChromium } from '../harness/js/chromium.mjs';
import { openTab } from '../harness/js/demo.mjs';
import { assertFits } from '../harness/js/fits.mjs';
import { startProxy } from '../harness/js/proxy.mjs';
import { scope } from '../harness/js/scope.mjs';
import { startServer } from '../harness/js/server.mjs';

const LIMIT = { timeout: 90000 };
const OUTAGE = 1000;
const WINDOW = 4000;

let browser;
before(async () => {
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
  await bob.answer('answer-video');
  await Promise.all([ann.untilCall('connected'), bob.untilCall('connected')]);
  await Promise.all([ann.untilPictureMoves('at first'), bob.untilPictureMoves('at first')]);
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
  await ann.answer('answer-data');

  await Promise.all([ann.untilCall('connected'), bob.untilCall('connected')]);
  assertNoErrors(ann, bob);
});

test('before a call is answered nothing is connected and the callee’s camera stays closed', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.stop());
  const [ann, bob] = await twoTabs(own, server.url, server.url, 'ring');

  await ann.call('Bob', 'call-video');
  await bob.untilCall('ringing');
  assert.match(await bob.page.locator('#ringing').innerText(), /^Ann: Calls you with camera/);
  // Long enough for a call that answers itself to connect.
  await letPass(2000);

  assert.deepEqual(await bob.opened(), { cameras: 0, connections: 0 });
  assert.equal((await ann.opened()).connections, 0, 'connections at the caller');
  assert.deepEqual([ann.callStates(), bob.callStates()], [['calling'], ['ringing']]);

  await bob.press('answer-data');
  await Promise.all([ann.untilCall('connected'), bob.untilCall('connected')]);
  await bob.untilPictureMoves('of the caller alone');
  assert.deepEqual(await bob.opened(), { cameras: 0, connections: 1 });
  assertNoErrors(ann, bob);
});

test('a caller reads that the call was declined, and nothing was connected', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.stop());
  const [ann, bob] = await twoTabs(own, server.url, server.url, 'decline');

  await ann.call('Bob', 'call-video');
  await bob.answer('decline');

  await ann.untilCall('ended');
  assert.equal(await ann.callText(), 'Bob declined');
  await bob.page.locator('#calls [data-call]').waitFor({ state: 'detached' });
  assert.deepEqual(await bob.opened(), { cameras: 0, connections: 0 });
  assert.equal((await ann.opened()).connections, 0, 'connections at the caller');
  assertNoErrors(ann, bob);
});

test('when the caller hangs up while it rings the callee’s card goes', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.stop());
  const [ann, bob] = await twoTabs(own, server.url, server.url, 'gave-up');

  await ann.call('Bob', 'call-data');
  await bob.untilCall('ringing');
  await ann.press('end-call');

  await bob.page.locator('#calls [data-call]').waitFor({ state: 'detached' });
  assert.equal(await bob.page.locator('#ringing').innerText(), '');
  assertNoErrors(ann, bob);
});

test('a call that nobody answers ends by itself, and both sides say so', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.stop());
  const [ann, bob] = await twoTabs(own, server.url, server.url, 'unanswered');
  await ann.page.clock.install();

  await ann.call('Bob', 'call-data');
  await bob.untilCall('ringing');
  await ann.page.clock.fastForward(46000);

  await Promise.all([ann.untilCall('ended'), bob.untilCall('ended')]);
  assert.equal(await ann.callText(), 'Bob did not answer');
  assert.equal(await bob.callText(), 'Missed: you did not answer');
  assertNoErrors(ann, bob);
});

test('two who call each other at the same moment are connected', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.stop());
  const proxy = own(await startProxy(server.port));
  const [ann, bob] = await twoTabs(own, proxy.url, server.url, 'both');

  // While Ann is away her call waits in her page and Bob's at the server: they cross for sure.
  const from = ann.journal.mark();
  proxy.refuse();
  await ann.untilStatus('reconnecting', { from });
  await ann.call('Bob', 'call-video');
  await bob.call('Ann', 'call-data');
  await Promise.all([ann.untilCall('calling'), bob.untilCall('calling')]);
  proxy.restore();

  await Promise.all([ann.untilCall('connected'), bob.untilCall('connected')]);
  await bob.untilPictureMoves('of the one who sends');
  assert.deepEqual(await bob.opened(), { cameras: 0, connections: 1 });
  assert.deepEqual([ann.callStates(), bob.callStates()], Array(2).fill(['calling', 'connecting', 'connected']));
});

test('a camera that one side adds to a data-only call does not open the other’s', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.stop());
  const [ann, bob] = await twoTabs(own, server.url, server.url, 'added');
  await ann.call('Bob', 'call-data');
  await bob.answer('answer-data');
  await Promise.all([ann.untilCall('connected'), bob.untilCall('connected')]);

  await ann.press('send-video');
  await bob.untilPictureMoves('of the camera that was added');
  assert.deepEqual(await bob.opened(), { cameras: 0, connections: 1 });

  await bob.press('send-video');
  await ann.untilPictureMoves('once Bob sends his too');
  assert.deepEqual(await bob.opened(), { cameras: 1, connections: 1 });
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

test('when a tab is closed the other sees it leave', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.stop());
  const [ann, bob] = await twoTabs(own, server.url, server.url, 'close');
  await videoCall(ann, bob);

  // As a user closes it: the page hears of it.
  await bob.page.close({ runBeforeUnload: true });

  // Two seconds are promised.
  await ann.peer('Bob').waitFor({ state: 'detached', timeout: 20000 });
  await ann.untilCall('ended', { within: 20000 });
  assertNoErrors(ann);
});

test('a tab that leaves is gone from the list of the other', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.stop());
  const [ann, bob] = await twoTabs(own, server.url, server.url, 'leave');

  await bob.page.click('#leave');

  // A second is promised.
  await ann.peer('Bob').waitFor({ state: 'detached', timeout: 10000 });
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

test('a socket that died without a word is found out when the network changes', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.stop());
  const proxy = own(await startProxy(server.port));
  const ann = own(await openTab(browser, proxy.url, 'Ann', 'dead'));
  await ann.join();

  const from = ann.journal.mark();
  proxy.fallSilent();
  await ann.page.evaluate(() => window.dispatchEvent(new Event('online')));

  // The page gives the server eight seconds to answer.
  await ann.untilStatus('reconnecting', { from, within: 30000 });
});
