// The page that shows how two peers find each other, in Chromium.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';

import { eventually } from '../harness/js/bounded.mjs';
import { errorsOf, launchChromium, openPage } from '../harness/js/chromium.mjs';
import { assertFits } from '../harness/js/fits.mjs';
import { scope } from '../harness/js/scope.mjs';
import { startServer } from '../harness/js/server.mjs';

const LIMIT = { timeout: 60000 };

let browser;
before(async () => {
  browser = await launchChromium();
});
after(() => browser?.close());

/** The page as Bob, who has announced himself. */
async function openBob(t, { room = 'tutorial' } = {}) {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.stop());
  const open = async (name, query) => {
    const opened = own(await openPage(browser, name));
    await opened.page.goto(`${server.url}/connect/?${query}`);
    await opened.page.waitForSelector('#status[data-state="joined"]', { timeout: 10000 });
    return opened;
  };
  const bob = await open('Bob', `room=${room}`);
  return { own, server, bob, page: bob.page, openSue: () => open('Sue', `as=sue&room=${room}`) };
}

const untilOutcome = (page, state) => page.waitForSelector(`#outcome[data-state="${state}"]`, { timeout: 15000 });
const phasesOf = (page) => page.locator('#phases > li').evaluateAll((items) => items.map(({ dataset }) => dataset.state));
const said = (page, phase) => page.locator(`#phases [data-phase="${phase}"] .said summary`).allTextContents();
const wordsOf = (page) => eventually('words over the channel', () => page.locator('#words li').allTextContents(), (all) => all.length);

async function announceSueHere(page) {
  await page.click('#announce-sue');
  await page.waitForSelector('body[data-sue="here"]', { timeout: 5000 });
  await page.waitForFunction(() => document.getElementById('others').textContent.includes('Sue'), undefined, { timeout: 5000 });
}

test('Bob calls Sue of the same page: each phase is seen with what was said, and a message comes back', LIMIT, async (t) => {
  const { bob, page } = await openBob(t);
  await announceSueHere(page);
  await page.click('#call-sue');
  await untilOutcome(page, 'active');

  assert.deepEqual(await wordsOf(page), ['Hello Bob, you said: Hello, this is Bob']);
  assert.deepEqual(await phasesOf(page), ['done', 'done', 'done']);
  for (const took of await page.locator('#phases .took').allTextContents()) assert.match(took, /^\d+(\.\d)? ms$/);
  const discovery = await said(page, 'discovery');
  assert.ok(discovery.includes('Bob announces {"name":"Bob"} in tutorial'), discovery.join('\n'));
  assert.deepEqual(discovery.slice(-2), ['Bob asks for {"name":"Sue"}', 'Bob is answered: Sue will talk']);
  const handshaking = (await said(page, 'handshaking')).join('\n');
  for (const kind of ['offer', 'answer']) assert.match(handshaking, new RegExp(`(tells|hears from) Sue: ${kind}, \\d+ characters`));
  const network = (await said(page, 'network')).join('\n');
  for (const way of ['tells', 'hears from']) assert.match(network, new RegExp(`Bob ${way} Sue: host candidate udp`));
  const pair = page.locator('#pair');
  await eventually('the pair', () => pair.textContent(), (text) => /^Direct: host udp \S+:\d+ to /.test(text));
  assert.equal(await pair.getAttribute('data-kind'), 'direct');
  await eventually('the words for screen readers', () => page.locator('#told').textContent(), (text) => /Connected \d/.test(text));
  assert.deepEqual(errorsOf(bob), []);
});

test('Bob calls Sue of another page, and both see the three phases and the end', LIMIT, async (t) => {
  const { bob, page, openSue } = await openBob(t);
  const sue = await openSue();
  await page.waitForSelector('body[data-sue="here"]', { timeout: 5000 });
  await page.click('#call-sue');
  for (const each of [bob, sue]) {
    await untilOutcome(each.page, 'active');
    assert.deepEqual(await phasesOf(each.page), ['done', 'done', 'done'], each.name);
  }
  assert.deepEqual(await wordsOf(page), ['Hello Bob, you said: Hello, this is Bob']);
  assert.deepEqual(await wordsOf(sue.page), ['Hello, this is Bob']);
  const heard = await said(sue.page, 'discovery');
  assert.deepEqual(heard.slice(-2), ['Sue is asked by {"name":"Bob"}', 'Sue takes the request of Bob']);

  await sue.page.click('#hang-up');
  await untilOutcome(page, 'closed');
  assert.equal(await page.locator('#outcome').textContent(), 'Sue has hung up.');
  assert.equal(await page.locator('#call-sue').isEnabled(), true, 'and may be called again');
  for (const each of [bob, sue]) assert.deepEqual(errorsOf(each), [], each.name);
});

test('somebody who is not there is not found, and the page says so', LIMIT, async (t) => {
  const { bob, page } = await openBob(t);
  await page.click('#call-zoe');
  await untilOutcome(page, 'failed');
  assert.equal(await page.locator('#outcome').getAttribute('data-reason'), 'no-match');
  assert.equal(await page.locator('#outcome').textContent(), 'Nobody in the room is called Zoe.');
  assert.deepEqual(await phasesOf(page), ['failed', 'waiting', 'waiting']);
  assert.deepEqual((await said(page, 'discovery')).slice(-2), ['Bob asks for {"name":"Zoe"}', 'Bob is answered: no-match']);
  assert.deepEqual(errorsOf(bob), []);
});

test('Sue who declines is found, and the page says that she has', LIMIT, async (t) => {
  const { bob, page, openSue } = await openBob(t);
  const sue = await openSue();
  await sue.page.check('#declines');
  await page.waitForSelector('body[data-sue="here"]', { timeout: 5000 });
  await page.click('#call-sue');
  await untilOutcome(page, 'failed');
  assert.equal(await page.locator('#outcome').getAttribute('data-reason'), 'declined');
  assert.deepEqual(await phasesOf(page), ['failed', 'waiting', 'waiting']);
  await untilOutcome(sue.page, 'failed');
  assert.equal((await said(sue.page, 'discovery')).at(-1), 'Sue declines the request of Bob');

  await sue.page.uncheck('#declines');
  await page.click('#call-sue');
  await untilOutcome(page, 'active');
  assert.deepEqual(await phasesOf(page), ['done', 'done', 'done']);
  for (const each of [bob, sue]) assert.deepEqual(errorsOf(each), [], each.name);
});

test('Sue who leaves in a call ends it, and is not there for the next', LIMIT, async (t) => {
  const { page } = await openBob(t);
  await announceSueHere(page);
  await page.click('#call-sue');
  await untilOutcome(page, 'active');
  await page.click('#announce-sue');
  await untilOutcome(page, 'closed');
  await page.waitForSelector('body[data-sue="away"]', { timeout: 5000 });
  await page.click('#call-sue');
  await untilOutcome(page, 'failed');
  assert.equal(await page.locator('#outcome').getAttribute('data-reason'), 'no-match');
});

test('the code that is shown is the code that runs', LIMIT, async (t) => {
  const { page } = await openBob(t);
  for (const id of ['bob', 'sue']) {
    const file = new URL(`../../services/signal/web/connect/${id}.js`, import.meta.url);
    const source = (await readFile(file, 'utf8')).trimEnd();
    await eventually(`the source of ${id}`, () => page.locator(`#${id}-source`).textContent(), (text) => text === source);
  }
  const loaded = await page.evaluate(() => performance.getEntriesByType('resource').map(({ name }) => new URL(name).pathname));
  for (const path of ['/connect/bob.js', '/connect/sue.js', '/trunkline.js']) assert.ok(loaded.includes(path), path);
});

test('the page can be used by keyboard, and says by name what its controls do', LIMIT, async (t) => {
  const { page } = await openBob(t);
  const press = async (name) => {
    const button = page.getByRole('button', { name, exact: true });
    await button.focus();
    await page.keyboard.press('Enter');
  };
  await press('Announce Sue here');
  await page.getByRole('button', { name: 'Sue leaves', exact: true }).waitFor({ timeout: 5000 });
  await page.waitForFunction(() => document.getElementById('others').textContent.includes('Sue'), undefined, { timeout: 5000 });
  await press('Call Sue');
  await untilOutcome(page, 'active');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'hang-up', 'the focus is where one can go on');
  await page.keyboard.press('Enter');
  await untilOutcome(page, 'closed');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'call-sue');
  const line = page.locator('.said summary').first();
  await line.focus();
  await page.keyboard.press('Enter');
  await page.locator('.said details[open] code').first().waitFor({ state: 'visible', timeout: 5000 });
});

test('the page fits a phone and a desktop, idle, connected and failed, light and dark', LIMIT, async (t) => {
  const { bob, page } = await openBob(t);
  for (const scheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: scheme });
    const fits = (moment) => assertFits(bob, `connect-${moment}-${scheme}`);
    if (scheme === 'light') await fits('idle');
    await page.click('#call-zoe');
    await untilOutcome(page, 'failed');
    await fits('failed');
    if (scheme === 'light') await announceSueHere(page);
    await page.click('#call-sue');
    await untilOutcome(page, 'active');
    await wordsOf(page);
    await fits('connected');
    await page.click('#hang-up');
  }
});
