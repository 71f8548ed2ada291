// Sockets come and go; peers stay. rtc-signaller tries once, 50 ms after a loss, and after that only
// when it has something to send: `nudge` stands for the pings an application sends anyway.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { eventually, letPass } from '../harness/js/bounded.mjs';
import { lastingPort } from '../harness/js/ports.mjs';
import { startProxy } from '../harness/js/proxy.mjs';
import { connectPeer, meet, settle } from '../harness/js/rtcio.mjs';
import { scope } from '../harness/js/scope.mjs';
import { startServer } from '../harness/js/server.mjs';

const LIMIT = { timeout: 40000 };
const COUNT = 20;
const inOrder = Array.from({ length: COUNT }, (_, n) => n);

/** Ann behind a proxy, Bob and Cy straight at the server, all in one room. */
async function annBehindProxy(t, args) {
  const { own } = scope(t);
  const server = own(await startServer({ args }), (s) => s.stop());
  const proxy = own(await startProxy(server.port));
  const ann = own(connectPeer(proxy.url, { id: 'ann' }));
  const [bob, cy] = ['bob', 'cy'].map((id) => own(connectPeer(server.url, { id })));
  await meet([ann, bob, cy], 'reconnect');
  return { proxy, ann, bob, cy };
}

/** Resolves when the peer has lost its socket and the server has had its turn to see it too. */
async function lossSeen(peer, sender, witness, from) {
  await peer.untilEvent('disconnected', { from });
  await settle(sender, witness);
}

const returned = (peer, from) => peer.untilEvent('message:roominfo', { from });

async function nudgeUntilBack(peer, from) {
  const isBack = () => peer.journal.entries.slice(from).some((entry) => entry.event === 'message:roominfo');
  await eventually(`${peer.id} to be back; ${peer.journal.describe()}`, async () => {
    // A message during the client's own attempt would make it open a second socket and speak on that one,
    // on which it never announces itself: no server can tell whose it is.
    await letPass(300);
    if (!isBack()) peer.send('/nudge');
    return isBack();
  });
}

function assertNobodyLeft(...peers) {
  for (const peer of peers) assert.deepEqual(peer.frames('/leave'), [], `leaves at ${peer.id}`);
}

test('a peer whose socket is cut is back by itself, and nobody sees it leave', LIMIT, async (t) => {
  const { proxy, ann, bob, cy } = await annBehindProxy(t, ['--suspend-window', '2s']);

  const from = ann.journal.mark();
  proxy.cut();
  await returned(ann, from);

  await bob.untilEvent('peer:update', {}, (data) => data.id === 'ann');
  assert.equal(ann.events('message:roominfo').at(-1)[0].memberCount, 3);
  ann.sendTo('bob', '/hello', 'again');
  bob.sendTo('ann', '/hello', 'you too');
  await bob.untilEvent('message:hello');
  await ann.untilEvent('message:hello');

  // The window that the loss opened is over, too.
  await letPass(2500);
  await settle(bob, ann, cy);
  await settle(cy, bob);
  assertNobodyLeft(ann, bob, cy);
});

test('what is sent to a peer while it is away arrives in order when it is back', LIMIT, async (t) => {
  const { proxy, ann, bob, cy } = await annBehindProxy(t);

  const from = ann.journal.mark();
  proxy.refuse();
  await lossSeen(ann, bob, cy, from);
  for (const n of inOrder) bob.sendTo('ann', '/held', n);
  await settle(bob, cy);
  await letPass(600);
  assert.deepEqual(ann.events('message:roominfo').length, 1, 'the proxy kept the peer away');
  proxy.restore();
  await nudgeUntilBack(ann, from);

  bob.sendTo('ann', '/held', 'last');
  await ann.untilFrame('|last');
  assert.deepEqual(ann.events('message:held').map(([n]) => n), [...inOrder, 'last']);
  assertNobodyLeft(ann, bob, cy);
});

test('what is sent to a peer while it returns at its own pace arrives in order', LIMIT, async (t) => {
  const { proxy, ann, bob, cy } = await annBehindProxy(t);

  const from = ann.journal.mark();
  proxy.cut();
  await lossSeen(ann, bob, cy, from);
  for (const n of inOrder) bob.sendTo('ann', '/held', n);

  await ann.journal.untilCount('/held', COUNT, (entry) => entry.event === 'message:held');
  assert.deepEqual(ann.events('message:held').map(([n]) => n), inOrder);
  assertNobodyLeft(ann, bob, cy);
});

test('what a peer sends while it is away arrives in order when it is back', LIMIT, async (t) => {
  const { proxy, ann, bob, cy } = await annBehindProxy(t);

  const from = ann.journal.mark();
  proxy.cut();
  await ann.untilEvent('disconnected', { from });
  for (const n of inOrder) ann.sendTo('bob', '/held', n);

  // The client sends these before it announces itself on the new socket.
  await bob.journal.untilCount('/held', COUNT, (entry) => entry.event === 'message:held');
  assert.deepEqual(bob.events('message:held').map(([n]) => n), inOrder);
  assertNobodyLeft(ann, bob, cy);
});

test('a room that loses all its sockets at once finds together again', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.stop());
  const proxy = own(await startProxy(server.port));
  const peers = ['p1', 'p2', 'p3', 'p4', 'p5'].map((id) => own(connectPeer(proxy.url, { id })));
  await meet(peers, 'all-lost');

  const marks = peers.map((peer) => peer.journal.mark());
  proxy.cut();
  await Promise.all(peers.map((peer, index) => returned(peer, marks[index])));

  for (const peer of peers) await settle(peer, ...peers.filter((other) => other !== peer));
  assertNobodyLeft(...peers);
});

test('peers come back to a server that was killed and started again', LIMIT, async (t) => {
  const { own } = scope(t);
  const first = own(await startServer({ port: await lastingPort() }), (s) => s.kill());
  const [ann, bob] = ['ann', 'bob'].map((id) => own(connectPeer(first.url, { id })));
  await meet([ann, bob], 'restart');

  const marks = [ann.journal.mark(), bob.journal.mark()];
  await first.kill();
  await ann.untilEvent('disconnected', { from: marks[0] });
  await bob.untilEvent('disconnected', { from: marks[1] });
  own(await startServer({ port: first.port }), (s) => s.stop());
  await nudgeUntilBack(ann, marks[0]);
  await nudgeUntilBack(bob, marks[1]);

  // Whoever is back first hears of the other; the other's rejoining does not tell it anew.
  const seen = (peer, id, from) =>
    peer.journal.entries.slice(from).some(({ event, args }) => event === 'peer:update' && args[0].id === id);
  await eventually('one to hear of the other', () => seen(ann, 'bob', marks[0]) || seen(bob, 'ann', marks[1]));
  ann.sendTo('bob', '/hello', 'again');
  bob.sendTo('ann', '/hello', 'you too');
  await bob.untilEvent('message:hello');
  await ann.untilEvent('message:hello');
  assertNobodyLeft(ann, bob);
});

test('an idle client is pinged, answers, and stays', LIMIT, async (t) => {
  const { own } = scope(t);
  const args = ['--ping-interval', '200ms', '--suspend-window', '500ms'];
  const server = own(await startServer({ args }), (s) => s.stop());
  const [ann, bob] = ['ann', 'bob'].map((id) => own(connectPeer(server.url, { id })));
  await meet([ann, bob], 'idle');

  await letPass(2500);

  await settle(ann, bob);
  assert.deepEqual(ann.events('disconnected'), []);
  assert.deepEqual(bob.events('disconnected'), []);
  assertNobodyLeft(ann, bob);
});
