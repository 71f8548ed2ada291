// Unmodified rtc-quickconnect 8.0.0 in Chromium.

import { after, before, test } from 'node:test';

import { letPass } from '../harness/js/bounded.mjs';
import { launchChromium } from '../harness/js/chromium.mjs';
import { assertEcho, assertUndisturbed, joinRoom, untilOpen } from '../harness/js/participants.mjs';
import { startProxy } from '../harness/js/proxy.mjs';
import { serveQuickconnect } from '../harness/js/quickconnect.mjs';
import { scope } from '../harness/js/scope.mjs';
import { startServer } from '../harness/js/server.mjs';

const LIMIT = { timeout: 90000 };
const OUTAGE = 1000;
const WINDOW = 5000;

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

const participant = (own, name, signalhost, room) => joinRoom(own, browser, site, name, signalhost, room);

test('two pages open a data channel and echo', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.stop());
  const ann = await participant(own, 'Ann', server.url, 'two');
  const bob = await participant(own, 'Bob', server.url, 'two');

  await untilOpen(ann, bob);
  await untilOpen(bob, ann);

  await assertEcho(ann, bob, 'from Ann');
  await assertEcho(bob, ann, 'from Bob');
  assertUndisturbed(ann, bob);
});

test('five pages build a full mesh', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.stop());
  const pages = [];
  for (const name of ['Ann', 'Bob', 'Cy', 'Dee', 'Eli']) {
    pages.push(await participant(own, name, server.url, 'mesh'));
  }
  const others = (page) => pages.filter((other) => other !== page);

  for (const page of pages) for (const other of others(page)) await untilOpen(page, other);

  for (const page of pages) await page.page.evaluate((text) => sayToAll(text), `hello from ${page.name}`);
  for (const page of pages) {
    for (const other of others(page)) {
      const isHello = (entry) => entry.from === other.id && entry.text === `hello from ${other.name}`;
      await page.journal.until(`the hello from ${other.name}`, isHello);
    }
  }
  assertUndisturbed(...pages);
});

test('a page whose socket is gone for a second keeps its call, and nobody sees it leave', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer({ args: ['--suspend-window', `${WINDOW}ms`] }), (s) => s.stop());
  const proxy = own(await startProxy(server.port));
  const ann = await participant(own, 'Ann', proxy.url, 'cut');
  const bob = await participant(own, 'Bob', server.url, 'cut');
  await untilOpen(ann, bob);
  await untilOpen(bob, ann);
  await assertEcho(ann, bob, 'before');

  const [fromAnn, fromBob] = [ann.journal.mark(), bob.journal.mark()];
  const cutAt = Date.now();
  proxy.refuse();
  await ann.journal.until('the loss', ({ event }) => event === 'disconnected', { from: fromAnn });
  await assertEcho(ann, bob, 'meanwhile');
  await letPass(OUTAGE - (Date.now() - cutAt));
  proxy.restore();

  // The next ping to the peer, within 2.5 s, opens a new socket.
  const back = ({ event }) => event === 'message:roominfo';
  await ann.journal.until('the answer to the new announce', back, { from: fromAnn });
  await bob.journal.until('the update', ({ event, peer }) => event === 'peer:update' && peer === ann.id, {
    from: fromBob,
  });
  await assertEcho(ann, bob, 'after');
  await assertEcho(bob, ann, 'after');

  // Until the window that the loss opened is over, and a ping through the new socket has arrived.
  await letPass(WINDOW + 1000 - (Date.now() - cutAt));
  const ping = ({ event }) => event === 'message:ping';
  await bob.journal.until('a ping', ping, { from: bob.journal.mark() });
  await assertEcho(ann, bob, 'at the end');
  assertUndisturbed(ann, bob);
});

test('a page that leaves ends the call at the other side', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.stop());
  const ann = await participant(own, 'Ann', server.url, 'leave');
  const bob = await participant(own, 'Bob', server.url, 'leave');
  await untilOpen(ann, bob);
  await untilOpen(bob, ann);

  await ann.page.evaluate(() => connection.close());

  const ended = ({ event, peer }) => event === 'call:ended' && peer === ann.id;
  // A second is promised.
  await bob.journal.until('the leave', ({ event }) => event === 'message:leave', { within: 10000 });
  await bob.journal.until('the end of the call', ended, { within: 10000 });
});
