// Random lives of sessions at a node that loses connections and is killed: whatever happens, messages arrive once and in
// order, every promise is kept or broken, and everybody knows in the end who is there. `LIVES=10000` for more, `LIFE=42` for one of them.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Session } from '../../services/signal/web/trunkline/session.js';
import { ModelNode, seeded } from '../harness/js/model-node.mjs';

const LIVES = Number(process.env.LIVES ?? 300);
const STEPS = 400;
const WINDOW = 8000;
const IDS = ['ann', 'bob', 'cy'];

class Peer {
  heard = new Map(); // sender → what it has said, as it was told
  roster = new Map(); // as events tell it: id → { id, data, suspended }
  sent = []; // { to, n, outcome }
  #next = 0;
  socket = null;

  constructor(id, world) {
    this.id = id;
    this.world = world;
    this.session = new Session({
      room: 'room',
      peer: id,
      transmit: (text) => this.socket.up.push(text),
      emit: (type, detail) => this.#happened(type, detail),
      now: () => world.time.now,
      random: () => `${id}${world.random()}`,
    });
    this.session.announce({});
  }

  #happened(type, detail) {
    const { id, from, body } = detail;
    if (type === 'message') this.heard.set(from, [...(this.heard.get(from) ?? []), body]);
    if (['joined', 'updated', 'suspended', 'resumed', 'left'].includes(type)) this.#changed(type, id, detail);
  }

  /** Nobody joins twice, or leaves, changes or comes back without having been there. */
  #changed(type, id, { data, suspended }) {
    assert.equal(this.roster.has(id), type !== 'joined', `${id} ${type}`);
    if (type === 'resumed') assert.equal(this.roster.get(id).suspended, true, `${id} resumed`);
    if (type === 'left') this.roster.delete(id);
    else this.roster.set(id, { id, data, suspended });
  }

  open() {
    this.socket = this.world.node.connect((text) => this.session.receive(text));
    this.session.opened();
  }

  lose() {
    if (!this.socket) return;
    this.world.node.cut(this.socket);
    this.lost();
  }

  /** The node has ended the connection, or the network. */
  lost() {
    this.socket = null;
    this.session.lost();
  }

  send(to) {
    const entry = { to, n: (this.#next += 1), outcome: 'pending' };
    this.sent.push(entry);
    this.session.send(to, entry.n).then(
      () => { entry.outcome = 'acknowledged'; },
      ({ reason, code }) => { entry.outcome = reason ?? code; },
    );
  }
}

async function live(seed) {
  const random = seeded(seed);
  const time = { now: 0 };
  const node = new ModelNode({ time, random, window: WINDOW });
  const world = { random, time, node };
  const peers = IDS.map((id) => new Peer(id, world));
  const pick = (list) => list[Math.floor(random() * list.length)];
  const pass = (ms) => {
    time.now += ms;
    node.expire();
    for (const { session, socket } of peers) if (session.deadline() <= time.now && (socket || !session.isPresent)) session.tick();
  };

  for (let step = 0; step < STEPS; step += 1) {
    const peer = pick(peers);
    const draw = random();
    if (draw < 0.01) peer.session.announce({ n: Math.floor(random() * 3) });
    else if (draw < 0.15) peer.send(pick(IDS.filter((id) => id !== peer.id)));
    else if (draw < 0.19) peer.lose();
    else if (draw < 0.195) (node.kill(), peers.forEach((each) => each.socket && each.lost()));
    else if (draw < 0.28) peer.socket ?? peer.open();
    else if (draw < 0.4) pass(random() * 50);
    else if (draw < 0.402) pass(WINDOW + 1000);
    else node.step();
    if (step % 16 === 0) await null;
  }

  // In the end all is well for long enough.
  for (const peer of peers) peer.socket ?? peer.open();
  for (let second = 0; second < 120; second += 1) {
    while (node.step());
    pass(500);
  }
  await new Promise((done) => setImmediate(done));
  for (const { id, sent, roster, session } of peers) {
    judge(id, sent, peers);
    const there = new Map(node.list(id).map(({ peer, data, suspended }) => [peer, { id: peer, data, suspended }]));
    assert.deepEqual(session.members, there, `${id} knows who is there`);
    assert.deepEqual(roster, there, `${id} was told who is there`);
  }
}

function judge(id, sent, peers) {
  for (const receiver of peers) {
    const heard = receiver.heard.get(id) ?? [];
    assert.deepEqual(heard, [...new Set(heard)].sort((a, b) => a - b), `${receiver.id} hears ${id} once and in order`);
    for (const { n, outcome } of sent.filter(({ to }) => to === receiver.id)) {
      assert.notEqual(outcome, 'pending', `${id} to ${receiver.id}, ${n}`);
      if (outcome === 'acknowledged') assert.ok(heard.includes(n), `${id} to ${receiver.id}, ${n} arrived`);
    }
  }
}

test(`in ${LIVES} lives, messages arrive once and in order, or their senders hear why not, and all know who is there`, async () => {
  const seeds = process.env.LIFE ? [Number(process.env.LIFE)] : Array.from({ length: LIVES }, (_, seed) => seed);
  for (const seed of seeds) {
    await live(seed).catch((error) => {
      error.message = `LIFE=${seed}: ${error.message}`;
      throw error;
    });
  }
});
