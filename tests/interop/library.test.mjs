// The browser library in Node, at real nodes whose connections are lost all the time: messages arrive once and in order.
// `LIBRARY_SEED=42` repeats the choices of a run.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { WebSocket } from 'ws';

import { bounded, eventually, letPass } from '../harness/js/bounded.mjs';
import { seeded } from '../harness/js/model-node.mjs';
import { lastingPort } from '../harness/js/ports.mjs';
import { startProxy } from '../harness/js/proxy.mjs';
import { startRedis } from '../harness/js/redis.mjs';
import { scope } from '../harness/js/scope.mjs';
import { startServer } from '../harness/js/server.mjs';
import { signaller } from '../../services/signal/web/trunkline.js';

globalThis.WebSocket = WebSocket;

const LIMIT = { timeout: 90000 };
const KEY = fileURLToPath(new URL('../harness/cluster.key', import.meta.url));
const IDS = ['ann', 'bob', 'cy'];
const TURNS = 60;

/** A peer behind a proxy, and what it has said and heard. */
async function open(own, id, node) {
  const proxy = own(await startProxy(node.port));
  const peer = own(signaller(proxy.url, { room: 'storm', id, storage: null }));
  const heard = new Map(IDS.map((from) => [from, []]));
  const left = [];
  peer.addEventListener('message', ({ detail: { from, body } }) => heard.get(from).push(body));
  peer.addEventListener('left', ({ detail }) => left.push(detail));
  await bounded(`the announce of ${id}`, peer.announce({ id }));
  return { id, peer, proxy, heard, left, sent: new Map(IDS.map((to) => [to, []])), promises: [] };
}

function send(from, to, count) {
  for (let at = 0; at < count; at += 1) {
    const sent = from.sent.get(to);
    sent.push(sent.length);
    from.promises.push(from.peer.send(to, sent.at(-1)));
  }
}

async function assertExact(peers) {
  const outcomes = peers.flatMap(({ promises }) => promises);
  const settled = await bounded('all that was said to be acknowledged', Promise.allSettled(outcomes), 20000);
  assert.deepEqual(settled.filter(({ status }) => status === 'rejected').map(({ reason }) => reason.message), []);
  for (const from of peers) {
    for (const to of peers) assert.deepEqual(to.heard.get(from.id), from.sent.get(to.id), `${from.id} to ${to.id}`);
  }
  for (const { id, left } of peers) assert.deepEqual(left, [], `who left, for ${id}`);
}

function storm(t) {
  const seed = Number(process.env.LIBRARY_SEED ?? Math.floor(Math.random() * 2 ** 32));
  t.diagnostic(`LIBRARY_SEED=${seed}`);
  const random = seeded(seed);
  return { random, pick: (list) => list[Math.floor(random() * list.length)] };
}

/** Everybody speaks to everybody; now and then `disturb` does something. */
async function speak(peers, { random, pick }, disturb) {
  for (let turn = 0; turn < TURNS; turn += 1) {
    const from = pick(peers);
    send(from, pick(peers.filter((peer) => peer !== from)).id, 1 + Math.floor(random() * 5));
    await disturb(turn);
    await letPass(random() * 60);
  }
}

test('at a node whose connections are cut again and again, messages arrive once and in order', LIMIT, async (t) => {
  const { own } = scope(t);
  const node = own(await startServer(), (s) => s.stop());
  const peers = [];
  for (const id of IDS) peers.push(await open(own, id, node));
  const chance = storm(t);
  await speak(peers, chance, () => {
    const { proxy } = chance.pick(peers);
    if (chance.random() < 0.3) proxy.cut();
    else if (chance.random() < 0.2) proxy.refuse();
    else proxy.restore();
  });
  for (const { proxy } of peers) proxy.restore();
  await assertExact(peers);
});

test('at three nodes over Redis that are killed one after the other, messages arrive once and in order', LIMIT, async (t) => {
  const { own } = scope(t);
  const redis = own(await startRedis());
  const start = async (port) => {
    const args = ['--redis', redis.url, '--redis-prefix', 'storm:', '--cluster-key-file', KEY];
    const node = own(await startServer({ port, args }), (s) => s.kill());
    const health = () => fetch(`${node.url}/healthz/cluster`).then(({ status }) => status);
    await eventually('the cluster to be well', health, (status) => status === 200, { within: 10000 });
    return node;
  };
  const nodes = [];
  for (const _ of IDS) nodes.push(await start(await lastingPort()));
  const peers = [];
  for (const [at, id] of IDS.entries()) peers.push(await open(own, id, nodes[at]));
  const everybody = (peer) => IDS.every((id) => id === peer.id || peer.members.has(id));
  for (const { id, peer } of peers) await eventually(`${id} to know everybody`, () => everybody(peer));

  const chance = storm(t);
  await speak(peers, chance, async (turn) => {
    if (turn % 20 !== 10) return;
    const victim = (turn - 10) / 20;
    const { port } = nodes[victim];
    const killed = nodes[victim].kill();
    peers[victim].proxy.leadTo(nodes[(victim + 1) % 3].port);
    await killed;
    // Those who were led here when another one was killed find it again.
    nodes[victim] = await start(port);
  });
  await assertExact(peers);
});
