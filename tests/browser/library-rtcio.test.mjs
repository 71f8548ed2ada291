// The browser library and unmodified rtc-quickconnect 8.0.0 in one room: they see each other and connect.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { letPass } from '../harness/js/bounded.mjs';
import { launchChromium } from '../harness/js/chromium.mjs';
import { assertTalk, call, openMember, serveLibrary, told, untilState, untilTold } from '../harness/js/library.mjs';
import { joinRoom, untilOpen } from '../harness/js/participants.mjs';
import { serveQuickconnect } from '../harness/js/quickconnect.mjs';
import { connectPeer } from '../harness/js/rtcio.mjs';
import { scope } from '../harness/js/scope.mjs';
import { startServer } from '../harness/js/server.mjs';

const LIMIT = { timeout: 90000 };

let browser;
let site;
let oldSite;
before(async () => {
  site = await serveLibrary();
  oldSite = await serveQuickconnect();
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
  await site?.close();
  await oldSite?.close();
});

async function startRoom(t) {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.stop());
  return {
    own,
    server,
    join: (name, options = {}) => openMember(own, browser, site, server.url, { name, room: 'mixed', ...options }),
    joinOld: (name) => joinRoom(own, browser, oldSite, name, server.url, 'mixed'),
  };
}

/** A word from each side on the channel that both have. */
async function assertBothTalk(member, old) {
  await old.page.evaluate((id) => say(id, JSON.stringify({ say: 'from the old' })), member.id);
  await old.journal.until('the echo', ({ text }) => text === JSON.stringify({ echoed: 'from the old' }));
  await member.page.evaluate(() => channel.send('echo from the new'));
  // Of quickconnect's answer the page makes nothing; that it came in is what quickconnect tells.
  await old.journal.until('the word', ({ text }) => text === 'echo from the new');
}

// The one with the smaller id makes the offers; ids of quickconnect begin with a c.
for (const [role, id] of [['offers', 'a'], ['is offered to', 'z']]) {
  test(`one who ${role} calls a page with quickconnect, and they talk`, LIMIT, async (t) => {
    const { join, joinOld } = await startRoom(t);
    const old = await joinOld('Old');
    const member = await join('New', { id });
    assert.equal((await untilTold(member, 'joined', (entry) => entry.id === old.id)).dialect, 'rtc.io');
    await call(member, { peer: old.id });
    await untilState(member, 'active');
    await untilOpen(old, member);
    await assertBothTalk(member, old);
  });

  test(`one who ${role} answers a page with quickconnect that enters the room, and they talk`, LIMIT, async (t) => {
    const { join, joinOld } = await startRoom(t);
    const member = await join('New', { id, answers: 'yes' });
    const old = await joinOld('Old');
    await untilState(member, 'active');
    // Channels are made by who offers; the page makes none for those that it answers.
    if (role === 'is offered to') {
      await untilOpen(old, member);
      await assertBothTalk(member, old);
    }
  });
}

test('a call to a page with quickconnect that has given up waiting is taken up by it', LIMIT, async (t) => {
  const { join, joinOld } = await startRoom(t);
  const old = await joinOld('Old');
  const member = await join('New', { id: 'a' });
  await untilTold(member, 'joined', (entry) => entry.id === old.id);
  // What quickconnect does after 30 s without an answer.
  await old.journal.until('its own call', ({ event }) => event === 'call:created');
  await old.page.evaluate((id) => connection.endCall(id), member.id);
  await call(member, { peer: old.id });
  await untilState(member, 'active');
});

test('a page with quickconnect that leaves ends the coupling', LIMIT, async (t) => {
  const { join, joinOld } = await startRoom(t);
  const old = await joinOld('Old');
  const member = await join('New', { id: 'a' });
  await untilTold(member, 'joined', (entry) => entry.id === old.id);
  await call(member, { peer: old.id });
  await untilState(member, 'active');
  await old.page.evaluate(() => connection.close());
  const end = await member.journal.until('the end', ({ coupling }) => coupling === 'closed');
  assert.equal(end.by, 'peer');
});

test('words of rtc.io pass in both directions, and those between couplings are not shown', LIMIT, async (t) => {
  const { own, server, join } = await startRoom(t);
  const old = own(connectPeer(server.url, { id: 'old' }));
  await old.join('mixed', { name: 'Old' });
  const member = await join('New', { id: 'new', answers: 'no' });
  await old.untilEvent('peer:announce', {}, (data) => data.id === 'new' && data.name === 'New');
  assert.equal((await untilTold(member, 'joined')).data.name, 'Old');

  old.send('/chat', 'to all');
  old.sendTo('new', '/chat', { text: 'a|b' });
  old.sendTo('new', '/ready');
  old.sendTo('new', '/chat', 'last');
  await untilTold(member, 'message', ({ body }) => body === '/chat|old|last');
  const bodies = told(member, 'message').map(({ body }) => body);
  assert.deepEqual(bodies.map((body) => body.split('|')[0]), ['/chat', '/chat', '/chat']);
  assert.deepEqual(JSON.parse(bodies[1].slice('/chat|old|'.length)), { text: 'a|b' });

  await member.page.evaluate(() => sendAll('old', ['/chat|new|"hello"']));
  await member.journal.until('the end of the promise', ({ sent }) => sent !== undefined);
  const { args } = await old.untilEvent('message:chat');
  assert.equal(args[0], 'hello');
  await letPass(200);
  assert.equal(told(member, 'error').length, 0);
});
