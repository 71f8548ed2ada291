// The demo page for those who use it by keyboard or by ear.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { eventually } from '../harness/js/bounded.mjs';
import { errorsOf, launchChromium } from '../harness/js/chromium.mjs';
import { openTab } from '../harness/js/demo.mjs';
import { connectRaw } from '../harness/js/raw.mjs';
import { scope } from '../harness/js/scope.mjs';
import { startServer } from '../harness/js/server.mjs';

const LIMIT = { timeout: 90000 };

let browser;
before(async () => {
  browser = await launchChromium();
});
after(() => browser?.close());

/** Ann on the page, and Bob, whose page is a bare socket that announces whatever the test says. */
async function annAndRawBob(own, room) {
  const server = own(await startServer(), (s) => s.stop());
  const ann = own(await openTab(browser, server.url, 'Ann', room));
  await ann.join();
  const bob = own(await connectRaw(server.url, 'Bob'));
  const announce = (attributes) => bob.send(`/announce|bob|${JSON.stringify({ id: 'bob', room, ...attributes })}`);
  const annId = async () => (await bob.untilFrame('"name":"Ann"')).frame.match(/"id":"([^"]+)"/)[1];
  return { ann, announce, ring: async (media) => bob.send(`/to|${await annId()}|/call|bob|{"media":"${media}"}`) };
}

const focused = (page) => page.evaluate(() => document.activeElement.dataset.action ?? document.activeElement.id);

test('labels, titles and letters follow a peer’s new name', LIMIT, async (t) => {
  const { own } = scope(t);
  const { ann, announce, ring } = await annAndRawBob(own, 'renamed');
  announce({ name: 'Bob' });
  await ann.see('Bob');
  await ring('video');
  await ann.untilCall('ringing');

  announce({ name: 'Zoe' });
  await ann.see('Zoe');

  const words = await ann.page.evaluate(() =>
    [...document.querySelectorAll('#peers *, #calls *, #calls > *, #ringing')]
      .flatMap((node) => [node.title, node.getAttribute('aria-label'), node.children.length ? '' : node.textContent])
      .filter(Boolean));
  assert.deepEqual(words.filter((text) => /Bob|^B$/.test(text)), [], 'what still has the old name');
  for (const text of ['Answer Zoe with camera', 'Decline the call from Zoe', 'Camera of Zoe', 'Call with Zoe', 'Z']) {
    assert.ok(words.includes(text), `${text} among ${JSON.stringify(words)}`);
  }
  assert.deepEqual(errorsOf(ann), []);
});

test('a peer that becomes callable is no longer said not to be', LIMIT, async (t) => {
  const { own } = scope(t);
  const { ann, announce } = await annAndRawBob(own, 'callable');
  const button = ann.page.locator('#peers [data-action="call-video"]');
  announce({});
  await eventually('a title that says why not', () => button.getAttribute('title'), (title) => /cannot be called/.test(title));

  announce({ name: 'Bob' });

  await ann.see('Bob');
  assert.equal(await button.getAttribute('title'), 'Call Bob with camera');
  assert.equal(await button.isEnabled(), true);
});

test('ringing takes the focus to an answer that opens no camera', LIMIT, async (t) => {
  const { own } = scope(t);
  const { ann, announce, ring } = await annAndRawBob(own, 'focus');
  announce({ name: 'Bob' });
  await ann.see('Bob');

  await ring('video');
  await ann.untilCall('ringing');

  await eventually('the focus on the answer', () => focused(ann.page), (action) => action === 'answer-data');
  assert.match(await ann.page.locator('[role="alert"]#ringing').innerText(), /^Bob: Calls you with camera/);
  await ann.press('decline');
  assert.equal(await focused(ann.page), 'call-video', 'the focus after declining');
});

test('ringing leaves the focus to somebody who is typing', LIMIT, async (t) => {
  const { own } = scope(t);
  const { ann, announce, ring } = await annAndRawBob(own, 'typing');
  announce({ name: 'Bob' });
  await ann.see('Bob');
  await ann.page.focus('#chat-text');

  await ring('video');
  await ann.untilCall('ringing');

  await ann.page.locator('#calls [data-action="answer-data"]').waitFor();
  assert.equal(await focused(ann.page), 'chat-text');
});

test('a form that cannot be sent says which field is wrong, until it is not', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.stop());
  const { page, join } = own(await openTab(browser, server.url, 'Ann', 'form'));
  await page.fill('#name', ' ');
  await page.click('#join');

  const name = page.locator('#name');
  assert.equal(await name.getAttribute('aria-invalid'), 'true');
  assert.equal(await page.locator(`#${await name.getAttribute('aria-describedby')}`).innerText(), 'Please give a name.');
  assert.equal(await page.locator('#room').getAttribute('aria-invalid'), null);
  assert.equal(await page.locator('main:visible').count(), 1);

  await name.fill('Ann');
  await join();
  assert.equal(await name.getAttribute('aria-invalid'), null);
  assert.equal(await page.locator('main:visible').count(), 1);
});
