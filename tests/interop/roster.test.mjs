// The browser library in Node, at a real node: who comes back is listed nobody that it knows.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { WebSocket } from 'ws';

import { bounded, eventually } from '../harness/js/bounded.mjs';
import { startProxy } from '../harness/js/proxy.mjs';
import { scope } from '../harness/js/scope.mjs';
import { startServer } from '../harness/js/server.mjs';
import { signaller } from '../../services/signal/web/trunkline.js';

const LIMIT = { timeout: 60000 };
const MEMBERS = 12;

const listed = []; // each `members` frame that a socket of this process has heard
globalThis.WebSocket = class extends WebSocket {
  constructor(...target) {
    super(...target);
    this.on('message', (data) => {
      const frame = JSON.parse(data);
      if (frame.type === 'members') listed.push(frame);
    });
  }
};

const isAnnounced = ({ detail }) => detail.state === 'announced';

/** The next event of this type that is meant. */
function next(peer, type, matches = () => true) {
  const happened = new Promise((done) => {
    peer.addEventListener(type, (event) => matches(event) && done(event.detail));
  });
  return bounded(`event ${type}`, happened, 10000);
}

/** Bob behind a proxy, in a room that has some members already. */
async function startRoom(t) {
  const { own } = scope(t);
  const node = own(await startServer(), (s) => s.stop());
  const proxy = own(await startProxy(node.port));
  const others = [];
  const enter = async (url, id) => {
    const peer = own(signaller(url, { room: 'room', id, storage: null }));
    await bounded(`the announce of ${id}`, peer.announce({ id }));
    return peer;
  };
  for (let at = 0; at < MEMBERS; at += 1) others.push(await enter(node.url, `m${at}`));
  const bob = await enter(proxy.url, 'bob');
  const events = [];
  for (const type of ['joined', 'updated', 'suspended', 'resumed', 'left']) {
    bob.addEventListener(type, ({ detail: { id } }) => events.push([type, id]));
  }
  return { node, proxy, others, bob, events, enter: (id) => enter(node.url, id) };
}

test('after a connection that was lost no member that is known is listed again', LIMIT, async (t) => {
  const { proxy, bob, events } = await startRoom(t);
  assert.equal(listed.at(-1).peers.length, MEMBERS);
  const before = [...bob.members.values()];

  for (let round = 0; round < 3; round += 1) {
    const back = next(bob, 'state', isAnnounced);
    proxy.cut();
    await back;
    const { parts, peers } = listed.at(-1);
    assert.deepEqual({ parts, peers }, { parts: [], peers: [] });
  }
  assert.deepEqual([...bob.members.values()], before);
  assert.deepEqual(events, []);
});

test('who announces itself again is told nothing again, and knows everybody as before', LIMIT, async (t) => {
  const { bob, events } = await startRoom(t);
  await bounded('the answer', bob.announce({ id: 'bob', is: 'another' }));
  assert.deepEqual(listed.at(-1).peers, []);
  assert.equal(bob.members.size, MEMBERS);
  assert.deepEqual(events, []);
});

test('what has changed meanwhile is told, and a part of the room with it', LIMIT, async (t) => {
  const { proxy, others, bob, events, enter } = await startRoom(t);
  const [first, second] = others;
  const away = next(first, 'suspended', ({ detail }) => detail.id === 'bob');
  proxy.refuse();
  await away;
  await first.announce({ id: 'm0', is: 'another' });
  second.close();
  await enter('new');
  await eventually('the others to know', () => first.members.has('new') && !first.members.has('m1'));

  const back = next(bob, 'state', isAnnounced);
  const from = listed.length;
  proxy.restore();
  await back;
  const { parts, peers } = listed.slice(from).at(-1);
  const names = peers.map(({ peer }) => peer);
  assert.ok(names.includes('m0') && names.includes('new') && !names.includes('m1'), String(names));
  const partOf = ({ tag }) => Number.parseInt(tag[0], 16);
  for (const peer of peers) assert.ok(parts.includes(partOf(peer)), `${peer.peer} is of ${parts}`);
  assert.ok(parts.length <= 3);
  // Kept for Bob or found in the list: either way he is told once.
  assert.deepEqual(events.sort(), [['joined', 'new'], ['left', 'm1'], ['updated', 'm0']]);
  assert.deepEqual(bob.members.get('m0').data, { id: 'm0', is: 'another' });
  assert.equal(bob.members.size, MEMBERS);
});
