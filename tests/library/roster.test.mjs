// What the browser library knows of a room: who comes back says it in short, and is told what is different.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ModelNode, seeded, sumsOf, tagOf } from '../harness/js/model-node.mjs';
import { openSession } from '../harness/js/session.mjs';
import { Session } from '../../services/signal/web/trunkline/session.js';

const LIVES = Number(process.env.LIVES ?? 300);
const WINDOW = 8000;
// More than a room has parts: some share one.
const OTHERS = Array.from({ length: 24 }, (_, at) => `p${at}`);

const member = (peer, name, more = {}) => ({ peer, data: { name }, tag: tagOf(peer, { name }), ...more });
const SUE = member('sue', 'Sue');
const partOf = ({ tag }) => Number.parseInt(tag[0], 16);
// Of another part than Sue's, and of hers.
const named = (fits) => Array.from({ length: 99 }, (_, at) => member(`m${at}`, 'M')).find(fits);
const ANN = named((other) => partOf(other) !== partOf(SUE));
const ZOE = named((other) => partOf(other) === partOf(SUE));

const changes = (bob) => bob.told().filter(({ id }) => id !== undefined).map(({ type, id }) => [type, id]);

/** Bob's connection is lost and is back; gives the announce. */
function comeBack(bob, peers, fields) {
  bob.session.lost();
  bob.said();
  bob.session.opened();
  bob.welcome();
  bob.members(peers, fields);
  return bob.said('announce')[0];
}

test('who comes back says the sums of those that are known, part by part', async () => {
  const bob = openSession();
  await bob.enter([SUE, ANN]);
  const { known } = comeBack(bob, [], { parts: [] });
  assert.deepEqual(known, sumsOf([SUE.tag, ANN.tag]));
  assert.equal(known[partOf(SUE)], SUE.tag.slice(1));
});

test('a member that is updated, joins or leaves counts at once', async () => {
  const bob = openSession();
  await bob.enter([SUE, ANN]);
  const anna = member(ANN.peer, 'Anna');
  bob.hear('updated', anna);
  bob.hear('joined', ZOE);
  bob.hear('suspended', { peer: 'sue' });
  assert.deepEqual(comeBack(bob, [], { parts: [] }).known, sumsOf([SUE.tag, anna.tag, ZOE.tag]));
  bob.hear('left', { peer: 'sue', reason: 'left' });
  assert.deepEqual(comeBack(bob, [], { parts: [] }).known, sumsOf([anna.tag, ZOE.tag]));
});

test('where no part is different everybody stays, and who was suspended and is not listed is resumed', async () => {
  const bob = openSession();
  await bob.enter([SUE, ANN]);
  bob.hear('suspended', { peer: 'sue' });
  bob.told();
  comeBack(bob, [], { parts: [] });
  assert.deepEqual(changes(bob), [['resumed', 'sue']]);
  assert.equal(bob.session.members.get('sue').suspended, false);
  assert.equal(bob.session.members.size, 2);
});

test('who is suspended is listed whatever its part, and nothing else of that part changes', async () => {
  const bob = openSession();
  await bob.enter([SUE, ZOE, ANN]);
  comeBack(bob, [{ ...SUE, suspended: true }], { parts: [] });
  assert.deepEqual(changes(bob), [['suspended', 'sue']]);
  assert.deepEqual([...bob.session.members.keys()].sort(), [SUE, ZOE, ANN].map(({ peer }) => peer).sort());
});

test('in a part that is different, those who are not listed have left', async () => {
  const bob = openSession();
  await bob.enter([SUE, ZOE, ANN]);
  comeBack(bob, [ZOE], { parts: [partOf(SUE)] });
  assert.deepEqual(changes(bob), [['left', 'sue']]);
});

test('the answer is about what was known at the announce, whatever is told in between', async () => {
  const bob = openSession();
  await bob.enter([SUE, ANN]);
  bob.session.lost();
  bob.session.opened();
  bob.welcome();
  // Kept for Bob while he was away. That Sue is back is not told: he knows her by what he has said.
  for (const { peer } of [SUE, ANN]) bob.hear('left', { peer, reason: 'left' });
  bob.told();
  bob.members([], { parts: [partOf(ANN)] });
  assert.deepEqual(changes(bob), [['joined', 'sue']]);
  assert.deepEqual([...bob.session.members.keys()], ['sue']);
});

test('an answer without parts is of everybody', async () => {
  const bob = openSession();
  await bob.enter([SUE, ANN]);
  assert.ok(comeBack(bob, [ANN]).known);
  assert.deepEqual(changes(bob), [['left', 'sue']]);
});

test('who knows nobody, or somebody without a tag, or is in the room already, does not say it', async () => {
  const bob = openSession();
  await bob.enter();
  assert.equal(comeBack(bob).known, undefined);
  bob.hear('joined', SUE);
  bob.session.announce({ n: 1 });
  assert.equal(bob.said('announce')[0].known, undefined);
  bob.members([], { parts: [] });
  bob.hear('joined', { ...ANN, tag: 'of another node' });
  assert.equal(comeBack(bob).known, undefined);
});

test('an announce again on the same connection changes nothing that is known', async () => {
  const bob = openSession();
  await bob.enter([SUE, ANN]);
  bob.hear('suspended', { peer: 'sue' });
  bob.told();
  bob.session.announce({ n: 1 });
  bob.members([{ ...SUE, suspended: true }], { parts: [] });
  assert.deepEqual(changes(bob), []);
  assert.equal(bob.session.members.size, 2);
});

test('of two announces at once after a loss the first says what is known, and the second is answered by what is known then', async () => {
  const bob = openSession();
  await bob.enter([SUE, ANN]);
  bob.session.lost();
  bob.said();
  bob.session.opened();
  bob.session.announce({ n: 1 });
  assert.deepEqual(bob.said('announce').map(({ known }) => known !== undefined), [true, false]);
  bob.welcome();
  bob.members([], { parts: [partOf(ANN)] });
  bob.members([], { parts: [] });
  assert.deepEqual(changes(bob), [['left', ANN.peer]]);
});

/** Others come, change, are lost and leave, while Bob is there or not. */
function live(seed) {
  const random = seeded(seed);
  const pick = (list) => list[Math.floor(random() * list.length)];
  const time = { now: 0 };
  const node = new ModelNode({ time, random, window: WINDOW });
  const told = new Map();
  const listed = [];
  let socket = null;
  const bob = new Session({
    room: 'room',
    peer: 'bob',
    transmit: (text) => socket.up.push(text),
    emit(type, { id, data, suspended }) {
      if (!['joined', 'updated', 'suspended', 'resumed', 'left'].includes(type)) return;
      assert.equal(told.has(id), type !== 'joined', `${id} ${type}`);
      if (type === 'left') told.delete(id);
      else told.set(id, { id, data, suspended });
    },
    now: () => time.now,
    random,
  });
  bob.announce({});

  const others = new Map();
  const enter = (peer) => {
    const { session, socket: last } = others.get(peer) ?? {};
    if (last) node.cut(last);
    const own = node.connect((text) => {
      const { type, resume } = JSON.parse(text);
      if (type === 'members') others.get(peer).session = resume;
    });
    others.set(peer, { session, socket: own });
    own.up.push(JSON.stringify({ type: 'hello', resume: session }));
    own.up.push(JSON.stringify({ type: 'announce', room: 'room', peer, data: { n: Math.floor(random() * 3) } }));
  };
  const open = () => {
    socket = node.connect((text) => {
      const frame = JSON.parse(text);
      if (frame.type === 'members') listed.push(frame);
      bob.receive(text);
    });
    bob.opened();
  };

  for (let step = 0; step < 600; step += 1) {
    const draw = random();
    if (draw < 0.12) enter(pick(OTHERS));
    else if (draw < 0.15) node.cut(others.get(pick(OTHERS))?.socket ?? {});
    else if (draw < 0.17 && socket) (node.cut(socket), bob.lost(), (socket = null));
    else if (draw < 0.2) socket ?? open();
    else if (draw < 0.21) bob.announce({ n: Math.floor(random() * 3) });
    else if (draw < 0.22) (time.now += WINDOW / 2, node.expire());
    else node.step();
  }
  socket ?? open();
  // An id that a lost connection of Bob's may still have is asked for until it is free.
  for (let round = 0; round < 40; round += 1) {
    while (node.step());
    time.now += 500;
    node.expire();
    if (bob.deadline() <= time.now) bob.tick();
  }
  while (node.step());
  const there = new Map(node.list('bob').map(({ peer, data, suspended }) => [peer, { id: peer, data, suspended }]));
  assert.deepEqual(bob.members, there);
  assert.deepEqual(told, there);
  return listed;
}

test(`in ${LIVES} lives, who comes back knows in the end who is there, and is mostly told of a part of them`, () => {
  let [partial, whole] = [0, 0];
  for (let seed = 0; seed < LIVES; seed += 1) {
    try {
      for (const { parts } of live(seed)) parts ? (partial += 1) : (whole += 1);
    } catch (error) {
      error.message = `seed ${seed}: ${error.message}`;
      throw error;
    }
  }
  assert.ok(partial > whole, `${partial} in part, ${whole} whole`);
});
