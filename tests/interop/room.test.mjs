// Who is in a room: announce, member count, update.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { connectPeer, meet, settle } from '../harness/js/rtcio.mjs';
import { scope } from '../harness/js/scope.mjs';
import { startServer } from '../harness/js/server.mjs';

const LIMIT = { timeout: 30000 };

test('two peers in a room learn each other’s attributes, both ways', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.stop());
  const ann = own(connectPeer(server.url, { id: 'ann' }));
  const bob = own(connectPeer(server.url, { id: 'bob' }));

  await ann.join('attributes', { name: 'Ann', colours: ['red', 'blue'] });
  await bob.join('attributes', { name: 'Bob', nested: { deep: true } });

  const [bobAtAnn] = (await ann.untilEvent('peer:announce')).args;
  const [annAtBob] = (await bob.untilEvent('peer:announce')).args;
  // The client adds what it knows of its browser; the rest is as announced.
  const announced = ({ agent, browser, browserVersion, ...rest }) => rest;
  assert.deepEqual(announced(bobAtAnn), { id: 'bob', room: 'attributes', name: 'Bob', nested: { deep: true } });
  assert.deepEqual(announced(annAtBob), { id: 'ann', room: 'attributes', name: 'Ann', colours: ['red', 'blue'] });
});

test('an announce is relayed to the letter', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.stop());
  const ann = own(connectPeer(server.url, { id: 'ann' }));
  const bob = own(connectPeer(server.url, { id: 'bob' }));

  await ann.join('verbatim');
  await bob.join('verbatim', { z: 1, a: 'ü ☃ 🙂', 10: 'ten', empty: '', nothing: null });

  const sent = JSON.stringify(bob.signaller.attributes);
  const { frame } = await ann.untilFrame('/announce|bob');
  assert.equal(frame, `/announce|bob|${sent}`);
});

test('each newcomer is told the member count before anything else', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.stop());
  const peers = ['p1', 'p2', 'p3', 'p4', 'p5'].map((id) => own(connectPeer(server.url, { id })));

  for (const [index, peer] of peers.entries()) {
    assert.equal(await peer.join('count'), index + 1);
    // A greeting that starts with `primus` is one the client ignores, and so is it here.
    const [first] = peer.frames('').filter((frame) => !frame.startsWith('primus'));
    assert.equal(first, `/roominfo|{"memberCount":${index + 1}}`);
  }
});

test('five peers in a room all learn of each other, once', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.stop());
  const peers = ['p1', 'p2', 'p3', 'p4', 'p5'].map((id) => own(connectPeer(server.url, { id })));

  await meet(peers, 'five');
  await settle(peers[0], ...peers.slice(1));

  for (const peer of peers) {
    const others = peers.filter((other) => other !== peer).map((other) => other.id);
    const announced = peer.events('peer:announce').map(([data]) => data.id);
    assert.deepEqual(announced.sort(), others, `what ${peer.id} heard`);
    assert.deepEqual(peer.events('peer:update'), [], `updates at ${peer.id}`);
  }
});

test('five peers that announce at the same moment all learn of each other, once', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.stop());
  const peers = ['p1', 'p2', 'p3', 'p4', 'p5'].map((id) => own(connectPeer(server.url, { id })));

  const counts = await Promise.all(peers.map((peer) => peer.join('rush')));
  assert.deepEqual(counts.sort(), [1, 2, 3, 4, 5]);

  for (const peer of peers) {
    const heard = await peer.journal.untilCount('peer:announce', 4, ({ event }) => event === 'peer:announce');
    const others = peers.filter((other) => other !== peer).map((other) => other.id);
    assert.deepEqual(heard.map(({ args }) => args[0].id).sort(), others, `what ${peer.id} heard`);
  }
  for (const peer of peers) await settle(peer, ...peers.filter((other) => other !== peer));
  for (const peer of peers) assert.deepEqual(peer.events('peer:update'), [], `updates at ${peer.id}`);
});

test('a second announce reaches the others as an update, and counts nobody twice', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.stop());
  const [ann, bob, cy] = ['ann', 'bob', 'cy'].map((id) => own(connectPeer(server.url, { id })));
  await meet([ann, bob, cy], 'update');

  assert.equal(await ann.join('update', { name: 'Ann', status: 'away' }), 3);

  for (const peer of [bob, cy]) {
    const [data, source] = (await peer.untilEvent('peer:update')).args;
    assert.deepEqual([data.id, data.name, data.status], ['ann', 'Ann', 'away']);
    assert.equal(source, 'ann');
  }
  await settle(ann, bob, cy);
  assert.equal(bob.events('peer:update').length, 1);
  assert.equal(bob.events('peer:announce').length, 2, 'an update is not another announce');
});

test('two rooms do not hear each other, by broadcast or by address', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.stop());
  const [ann, bob, eve, mal] = ['ann', 'bob', 'eve', 'mal'].map((id) => own(connectPeer(server.url, { id })));
  await meet([ann, bob], 'here');
  await meet([eve, mal], 'there');

  ann.sendTo('eve', '/secret', 'addressed');
  ann.send('/secret', 'broadcast');
  await settle(ann, bob);
  await settle(eve, mal);
  await settle(mal, eve);

  assert.deepEqual(eve.frames('secret'), []);
  assert.deepEqual(mal.frames('secret'), []);
  assert.deepEqual(eve.frames('|ann|'), []);
  assert.deepEqual(bob.frames('secret'), ['/secret|ann|broadcast']);
});

test('a peer that announces another room is in the new one and no longer in the old', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.stop());
  const [ann, bob, cy] = ['ann', 'bob', 'cy'].map((id) => own(connectPeer(server.url, { id })));
  await meet([ann, bob], 'first');
  await cy.join('second');

  assert.equal(await ann.join('second'), 2);
  await cy.untilEvent('peer:announce', {}, (data) => data.id === 'ann');

  bob.sendTo('ann', '/late', 'to the old room');
  bob.send('/late', 'to the old room');
  // Bob's frames have been read when he is told the count of a room he announces again.
  assert.equal(await bob.join('first'), 1);
  await settle(cy, ann);
  assert.deepEqual(ann.frames('/late'), []);
});
