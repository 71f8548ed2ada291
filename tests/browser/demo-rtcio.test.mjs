// The demo page, which speaks the native dialect, in a room with peers of the rtc.io dialect.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { eventually } from '../harness/js/bounded.mjs';
import { errorsOf, launchChromium } from '../harness/js/chromium.mjs';
import { openTab } from '../harness/js/demo.mjs';
import { joinRoom } from '../harness/js/participants.mjs';
import { serveQuickconnect } from '../harness/js/quickconnect.mjs';
import { connectRaw } from '../harness/js/raw.mjs';
import { scope } from '../harness/js/scope.mjs';
import { startServer } from '../harness/js/server.mjs';

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

/** Ann on the page, and Zed, whose page is a bare socket of the rtc.io dialect. */
async function annAndZed(own, room) {
  const server = own(await startServer(), (s) => s.stop());
  const sockets = [];
  const prepare = async (page) => page.on('websocket', (socket) => sockets.push(new URL(socket.url()).pathname));
  const ann = own(await openTab(browser, server.url, 'Ann', room, { prepare }));
  await ann.join();
  assert.deepEqual(sockets, ['/v1/connect']);
  const zed = own(await connectRaw(server.url, 'Zed'));
  zed.send(`/announce|zed|${JSON.stringify({ id: 'zed', room, name: 'Zed' })}`);
  const announce = await zed.untilFrame('"name":"Ann"');
  const annId = announce.frame.match(/"id":"([^"]+)"/)[1];
  await ann.see('Zed');
  return { ann, zed, server, annId, toAnn: (cmd, data) => zed.send(`/to|${annId}|${cmd}|zed|${JSON.stringify(data)}`) };
}

test('a peer of the rtc.io dialect is called, and answers, declines and hangs up', LIMIT, async (t) => {
  const { own } = scope(t);
  const { ann, zed, annId, toAnn } = await annAndZed(own, 'old-call');

  await ann.call('Zed', 'call-data');
  await zed.untilFrame(`/to|zed|/call|${annId}|{"media":"data"}`);
  toAnn('/hangup', { reason: 'declined' });
  await ann.untilCall('ended');
  assert.equal(await ann.callText(), 'Zed declined');

  const from = ann.journal.mark();
  await ann.call('Zed', 'call-data');
  await ann.untilCall('calling', { from });
  toAnn('/answered', { media: 'data' });
  await ann.untilCall('connecting', { from });
  // Ann has the smaller id, and so offers.
  await zed.untilFrame(`/to|zed|/description|${annId}|{"type":"offer"`);
  await zed.untilFrame(`/to|zed|/candidate|${annId}|{"candidate":"candidate:`);
  toAnn('/hangup', { reason: 'ended' });
  await ann.untilCall('ended', { from });
  assert.equal(await ann.callText(), 'Zed hung up');
  assert.deepEqual(errorsOf(ann), []);
});

test('chat goes between the dialects, both ways', LIMIT, async (t) => {
  const { own } = scope(t);
  const { ann, zed, annId } = await annAndZed(own, 'old-chat');
  await ann.chat('either|or');
  await zed.untilFrame(`/chat|${annId}|{"text":"either\\u007cor"}`);
  zed.send('/chat|zed|{"text":"hello Ann"}');
  const log = await eventually('Zed’s line at Ann', ann.chatLog, (lines) => lines.length === 2);
  assert.match(log[1], /Zed[^]*hello Ann/);
});

test('a page with quickconnect is seen, is not called, and is gone when it leaves', LIMIT, async (t) => {
  const { own } = scope(t);
  const { ann, server } = await annAndZed(own, 'old-page');
  const quick = await joinRoom(own, browser, site, 'Quick', server.url, 'old-page');
  const item = ann.page.locator(`#peers li[data-peer="${quick.id}"]`);
  await item.waitFor({ timeout: 5000 });
  assert.match(await item.innerText(), /rtc\.io peer[^]*cannot be called/);
  assert.equal(await item.locator('[data-action="call-data"]').isDisabled(), true);
  await quick.page.close({ runBeforeUnload: true });
  await item.waitFor({ state: 'detached', timeout: 20000 });
  assert.deepEqual(errorsOf(ann), []);
});
