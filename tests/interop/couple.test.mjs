// The browser library's calls in Node, whose caller loses its connection or its node just as it is told yes. The
// connections are the test's: what is shown is that both sides agree.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { WebSocket } from 'ws';

import { bounded, eventually, letPass } from '../harness/js/bounded.mjs';
import { FakeConnection } from '../harness/js/fake-connection.mjs';
import { startProxy } from '../harness/js/proxy.mjs';
import { startRedis } from '../harness/js/redis.mjs';
import { scope } from '../harness/js/scope.mjs';
import { startServer } from '../harness/js/server.mjs';
import { answer, couple, signaller } from '../../services/signal/web/trunkline.js';

globalThis.WebSocket = WebSocket;

const LIMIT = { timeout: 60000 };
const KEY = fileURLToPath(new URL('../harness/cluster.key', import.meta.url));

let redis;
before(async () => {
  redis = await startRedis();
});
after(() => redis?.close());

/** A caller and a callee, each at a node of its own. */
async function startApart(t, prefix, [callerId, calleeId]) {
  const { own } = scope(t);
  const args = ['--redis', redis.url, '--redis-prefix', `${prefix}:`, '--cluster-key-file', KEY, '--lease', '3s'];
  const start = async () => own(await startServer({ args }), (s) => s.kill());
  const nodes = [await start(), await start()];
  const proxy = own(await startProxy(nodes[0].port));
  const join = async (url, id, name) => {
    const peer = own(signaller(url, { room: 'room', id, storage: null }));
    await bounded(`${name} to enter`, peer.announce({ name }));
    return peer;
  };
  const caller = await join(proxy.url, callerId, 'caller');
  const callee = await join(nodes[1].url, calleeId, 'callee');
  await eventually('the caller to know the callee', () => caller.members.has(calleeId));
  return { nodes, proxy, caller, callee };
}

const ends = {
  'the connection, and it is back at the same node': async ({ proxy }) => {
    proxy.refuse();
    setTimeout(() => proxy.restore(), 300);
  },
  'the connection, and it is back at the callee’s node': async ({ proxy, nodes }) => {
    proxy.refuse();
    proxy.leadTo(nodes[1].port);
    setTimeout(() => proxy.restore(), 300);
  },
  'the node': async ({ proxy, nodes }) => {
    proxy.leadTo(nodes[1].port);
    await nodes[0].kill();
  },
};

for (const [what, end] of Object.entries(ends)) {
  // Who sorts first offers, and so is the first to speak.
  for (const ids of [['zed', 'ann'], ['ann', 'zed']]) {
    const who = ids[0] === 'ann' ? 'caller offers' : 'callee offers';
    test(`a caller who loses ${what}, before it has heard the yes, is connected (the ${who})`, LIMIT, async (t) => {
      const { caller, callee, ...room } = await startApart(t, `${what} ${ids}`.replaceAll(/\W/g, ''), ids);
      const couplings = [];
      const answering = answer(callee, async () => {
        await end(room);
        // So that the yes, and what follows it, cannot reach the caller on the connection that it had.
        await letPass(100);
        return new FakeConnection();
      });
      answering.addEventListener('coupling', ({ detail }) => couplings.push(detail));
      couplings.push(couple(new FakeConnection(), { name: 'callee' }, caller));
      t.after(() => couplings.forEach((coupling) => coupling.close()));
      const states = () => couplings.map(({ state, reason }) => reason ?? state);
      const isSettled = (all) => all.length === 2 && all.every((state) => !['requesting', 'negotiating'].includes(state));
      assert.deepEqual(await eventually('both to agree', states, isSettled, { within: 8000 }), ['connecting', 'connecting']);
    });
  }
}
