// How a peer goes: by saying so, or by not coming back.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { letPass } from '../harness/js/bounded.mjs';
import { startProxy } from '../harness/js/proxy.mjs';
import { connectPeer, meet, settle } from '../harness/js/rtcio.mjs';
import { scope } from '../harness/js/scope.mjs';
import { startServer } from '../harness/js/server.mjs';

const LIMIT = { timeout: 30000 };

test('a peer that leaves is heard leaving exactly once, by everybody', LIMIT, async (t) => {
  const { own } = scope(t);
  // A window this short would show a second leave, said when the socket closes, within this test.
  const server = own(await startServer({ args: ['--suspend-window', '500ms'] }), (s) => s.stop());
  const [ann, bob, cy, dee] = ['ann', 'bob', 'cy', 'dee'].map((id) => own(connectPeer(server.url, { id })));
  await meet([ann, bob, cy, dee], 'leave');

  ann.signaller.leave();

  for (const peer of [bob, cy, dee]) {
    const [data, source] = (await peer.untilEvent('message:leave')).args;
    assert.deepEqual(data, { id: 'ann' });
    assert.equal(source.id, 'ann');
  }
  await letPass(1000);
  await settle(bob, cy, dee);
  await settle(cy, bob);
  for (const peer of [bob, cy, dee]) {
    assert.deepEqual(peer.frames('/leave'), ['/leave|ann|{"id":"ann"}'], `what ${peer.id} heard`);
  }
});

test('a peer that left is out of the room at once', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.stop());
  const [ann, bob, cy] = ['ann', 'bob', 'cy'].map((id) => own(connectPeer(server.url, { id })));
  await meet([ann, bob], 'left');

  ann.signaller.leave();
  await bob.untilEvent('message:leave');

  assert.equal(await cy.join('left'), 2);
  assert.equal(await bob.join('left', { status: 'still here' }), 2);
});

test('a peer that said /leave hears nothing more, even on a socket it keeps open', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.stop());
  const [ann, bob, cy] = ['ann', 'bob', 'cy'].map((id) => own(connectPeer(server.url, { id })));
  await meet([ann, bob, cy], 'late');

  // `send`, not `leave`: the client would close its socket too.
  ann.send('/leave', { id: 'ann' });
  await bob.untilEvent('message:leave');
  bob.sendTo('ann', '/late', 'addressed');
  bob.send('/late', 'broadcast');
  await settle(bob, cy);

  // Its own announce is answered after whatever was sent to it before.
  assert.equal(await ann.join('elsewhere'), 1);
  assert.deepEqual(ann.frames('/late'), []);
  assert.deepEqual(cy.frames('/late'), ['/late|bob|broadcast']);
});

test('a peer that is lost and does not return leaves once, when the window has passed', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer({ args: ['--suspend-window', '1s'] }), (s) => s.stop());
  const proxy = own(await startProxy(server.port));
  const ann = own(connectPeer(proxy.url, { id: 'ann' }));
  const [bob, cy] = ['bob', 'cy'].map((id) => own(connectPeer(server.url, { id })));
  await meet([ann, bob, cy], 'lost');

  const lost = Date.now();
  proxy.refuse();
  await Promise.all([bob, cy].map((peer) => peer.untilFrame('/leave')));
  const after = Date.now() - lost;
  assert.ok(after >= 900, `the leave came ${after} ms after the loss, before the window of 1 s was over`);
  assert.ok(after <= 3000, `the leave came ${after} ms after the loss`);

  await letPass(1500);
  await settle(bob, cy);
  await settle(cy, bob);
  for (const peer of [bob, cy]) {
    assert.deepEqual(peer.frames('/leave'), ['/leave|ann|{"id":"ann"}'], `what ${peer.id} heard`);
    assert.deepEqual(peer.events('message:leave')[0][0], { id: 'ann' });
  }
  assert.equal(await bob.join('lost'), 2);
});

test('everybody who is lost at once leaves once', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer({ args: ['--suspend-window', '1s'] }), (s) => s.stop());
  const proxy = own(await startProxy(server.port));
  const lost = ['p1', 'p2', 'p3', 'p4'].map((id) => own(connectPeer(proxy.url, { id })));
  const witness = own(connectPeer(server.url, { id: 'witness' }));
  await meet([...lost, witness], 'exodus');

  proxy.refuse();
  await witness.journal.untilCount('/leave', 4, (entry) => entry.frame?.startsWith('/leave'));
  await letPass(1500);

  assert.equal(await witness.join('exodus'), 1);
  const expected = lost.map(({ id }) => `/leave|${id}|{"id":"${id}"}`);
  assert.deepEqual(witness.frames('/leave').sort(), expected);
});

test('a peer whose network falls silent is found out, and leaves once', LIMIT, async (t) => {
  const { own } = scope(t);
  const args = ['--ping-interval', '300ms', '--suspend-window', '500ms'];
  const server = own(await startServer({ args }), (s) => s.stop());
  const proxy = own(await startProxy(server.port));
  const ann = own(connectPeer(proxy.url, { id: 'ann' }));
  const [bob, cy] = ['bob', 'cy'].map((id) => own(connectPeer(server.url, { id })));
  await meet([ann, bob, cy], 'silent');

  proxy.fallSilent();

  await Promise.all([bob, cy].map((peer) => peer.untilFrame('/leave', { within: 10000 })));
  await letPass(1000);
  await settle(bob, cy);
  await settle(cy, bob);
  for (const peer of [bob, cy]) {
    assert.deepEqual(peer.frames('/leave'), ['/leave|ann|{"id":"ann"}'], `what ${peer.id} heard`);
  }
  assert.deepEqual(ann.events('disconnected'), [], 'the peer itself was told nothing');
});
