// Whose message it is: awkward names, and one name used twice.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { letPass } from '../harness/js/bounded.mjs';
import { connectRaw } from '../harness/js/raw.mjs';
import { connectPeer, meet, settle } from '../harness/js/rtcio.mjs';
import { scope } from '../harness/js/scope.mjs';
import { startServer } from '../harness/js/server.mjs';

const LIMIT = { timeout: 30000 };

const AWKWARD = {
  'a number': '12345',
  'a number with leading zeros': '007',
  'a decimal': '-1.50',
  'not ASCII': 'Zoë-名前-🙂',
  'a star': '*',
  'a glob': 'a?[b]*',
  'a pattern': '^.*$',
  'a path': '../../etc',
  'a key': 'trunkline:{room}:members',
  'white space': ' a b\tc ',
  'a literal': 'true',
};

for (const [what, id] of Object.entries(AWKWARD)) {
  test(`an id that looks like ${what} is an id like any other: ${JSON.stringify(id)}`, LIMIT, async (t) => {
    const { own } = scope(t);
    const server = own(await startServer(), (s) => s.stop());
    const awkward = own(connectPeer(server.url, { id }));
    const [ann, bob] = ['ann', 'bob'].map((name) => own(connectPeer(server.url, { id: name })));
    await meet([ann, bob, awkward], 'awkward');

    ann.sendTo(id, '/hello', 'you');
    awkward.sendTo('ann', '/hello', 'ann');
    assert.equal((await awkward.untilFrame('/hello')).frame, `/to|${id}|/hello|ann|you`);
    assert.equal((await ann.untilFrame('/hello')).frame, `/to|ann|/hello|${id}|ann`);

    awkward.signaller.leave();
    await ann.untilFrame('/leave');
    await settle(ann, bob);
    assert.deepEqual(bob.frames('/hello'), [], 'nobody else is meant');
    assert.deepEqual(bob.frames('/leave'), [`/leave|${id}|${JSON.stringify({ id })}`]);
  });
}

for (const room of ['*', '12345', '__proto__', 'ünï/☃ 🙂', '{a}:{b}', 'x'.repeat(200)]) {
  test(`a room can be called ${JSON.stringify(room).slice(0, 40)}`, LIMIT, async (t) => {
    const { own } = scope(t);
    const server = own(await startServer(), (s) => s.stop());
    const [ann, bob, eve] = ['ann', 'bob', 'eve'].map((id) => own(connectPeer(server.url, { id })));
    await eve.join('elsewhere');

    await meet([ann, bob], room);
    await settle(ann, bob);

    assert.equal(bob.events('peer:announce')[0][0].room, room, 'the name is relayed as it was');
    assert.deepEqual(eve.frames('/announce'), []);
  });
}

// rtc-signaller 6.3.0 throws when it hears of peers with these ids: it keeps its peers in a plain
// object. Bare sockets hear them.
for (const id of ['__proto__', 'constructor', 'toString']) {
  test(`an id called ${id} is an id like any other`, LIMIT, async (t) => {
    const { own } = scope(t);
    const server = own(await startServer(), (s) => s.stop());
    const [odd, bob, cy] = await Promise.all(
      ['odd', 'bob', 'cy'].map(async (name) => own(await connectRaw(server.url, name))),
    );
    await bob.join('objects', 'bob');
    await cy.join('objects', 'cy');
    await odd.join('objects', id);

    bob.send(`/to|${id}|/hello|bob|you`);
    odd.send(`/to|bob|/hello|${id}|bob`);
    await odd.untilFrame(`/to|${id}|/hello|bob|you`);
    await bob.untilFrame(`/to|bob|/hello|${id}|bob`);

    odd.send(`/leave|${id}|{"id":"${id}"}`);
    await cy.untilFrame(`/leave|${id}|`);
    assert.deepEqual(cy.frames('/hello'), []);
  });
}

test('of two sockets with one id the newest is reached', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.stop());
  const bob = own(connectPeer(server.url, { id: 'bob' }));
  const older = own(connectPeer(server.url, { id: 'twin' }));
  await meet([bob, older], 'twins');
  const newer = own(connectPeer(server.url, { id: 'twin' }));

  assert.equal(await newer.join('twins'), 2, 'one id is one member');
  await bob.untilEvent('peer:update', {}, (data) => data.id === 'twin');
  bob.sendTo('twin', '/hello', 'addressed');
  bob.send('/hello', 'broadcast');

  await newer.untilFrame('/hello|bob|broadcast');
  assert.deepEqual(newer.frames('/hello'), ['/to|twin|/hello|bob|addressed', '/hello|bob|broadcast']);
  assert.deepEqual(older.frames('/hello'), []);
  assert.deepEqual(bob.frames('/leave'), [], 'the twin is still there');
  // A socket that is closed would be opened again at once: two tabs would evict each other for ever.
  assert.deepEqual(older.events('disconnected'), []);
  assert.deepEqual(newer.events('disconnected'), []);
});

test('of two sockets with one id the older is muted', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.stop());
  const bob = own(connectPeer(server.url, { id: 'bob' }));
  await bob.join('mute');
  const [older, newer] = [
    own(await connectRaw(server.url, 'older twin')),
    own(await connectRaw(server.url, 'newer twin')),
  ];
  await older.join('mute', 'twin');
  await newer.join('mute', 'twin');

  older.send('/ghost|twin|broadcast');
  older.send('/to|bob|/ghost|twin|addressed');
  older.send('/leave|twin|{"id":"twin"}');
  // Nor does it become the newest by saying its name again.
  older.send('/announce|twin|{"id":"twin","room":"mute"}');
  await older.flushed();
  newer.send('/genuine|twin');
  await bob.untilFrame('/genuine');
  bob.sendTo('twin', '/hello');
  await newer.untilFrame('/hello');

  assert.deepEqual(bob.frames('/ghost'), []);
  assert.deepEqual(bob.frames('/leave'), []);
  assert.deepEqual(newer.frames('/ghost'), []);
  assert.deepEqual(older.frames('/hello'), []);
});

test('when the older of two sockets with one id closes, the newer stays a member', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer({ args: ['--suspend-window', '300ms'] }), (s) => s.stop());
  const bob = own(connectPeer(server.url, { id: 'bob' }));
  await bob.join('survivor');
  const older = own(await connectRaw(server.url, 'older twin'));
  await older.join('survivor', 'twin');
  const newer = own(await connectRaw(server.url, 'newer twin'));
  await newer.join('survivor', 'twin');

  older.close();
  await older.untilClosed();
  // Past the window: a server that took the close for the twin's would say so now.
  const cy = own(connectPeer(server.url, { id: 'cy' }));
  await letPass(900);

  assert.equal(await cy.join('survivor'), 3);
  bob.sendTo('twin', '/hello');
  await newer.untilFrame('/hello');
  assert.deepEqual(bob.frames('/leave'), []);
});

test('nobody can speak in another’s name', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.stop());
  const [ann, bob] = ['ann', 'bob'].map((id) => own(connectPeer(server.url, { id })));
  await meet([ann, bob], 'forged');
  const mal = own(await connectRaw(server.url, 'mal'));
  await mal.join('forged', 'mal');

  mal.send('/leave|ann|{"id":"ann"}');
  mal.send('/forged|ann|broadcast');
  mal.send('/to|bob|/forged|ann|addressed');
  mal.send('/genuine|mal');

  await bob.untilFrame('/genuine');
  assert.deepEqual(bob.frames('/forged'), []);
  assert.deepEqual(bob.frames('/leave'), []);
});
