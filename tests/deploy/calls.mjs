// Calls between two pages that have nothing in common but the cluster.

import assert from 'node:assert/strict';

import { assertTalk, call, untilState, untilTold } from '../harness/js/library.mjs';
import { openRelayed, path } from './pages.mjs';

const URL_OF_ALL = 'http://localhost:8080';
const RELAYS = [3478, 3479];

/** Bob and Sue in a room, each at a node and with a relay of its own. */
export async function openApart(own, browser, site, room) {
  const open = (name, id, at) =>
    openRelayed(own, browser, site, URL_OF_ALL, { name, room, id, port: RELAYS[at], answers: 'yes' });
  const bob = await open('Bob', 'bob', 0);
  for (let attempt = 0; attempt < 10; attempt += 1) {
    const sue = await open('Sue', `sue-${attempt}`, 1);
    if (sue.node() !== bob.node()) return { bob, sue };
    await sue.page.evaluate(() => peer.close());
    await untilTold(bob, 'left', ({ id }) => id === sue.id);
  }
  throw new Error('ten connections through the load balancer led to the node of the first');
}

/** `from` calls `to`, until both can talk. */
export async function callAndWait(t, from, to) {
  const started = Date.now();
  await call(from, { name: to.name });
  for (const member of [from, to]) {
    await untilState(member, 'active');
    await member.journal.until('an open channel', ({ channel }) => channel === 'open', { within: 10000 });
  }
  t.diagnostic(`a call took ${Date.now() - started} ms`);
  await assertTalk(from, to, 'hello');
}

/** Both ends are relays, each of its own. */
export async function assertRelayedApart(bob, sue, address = '127.0.0.1') {
  for (const [member, port] of [[bob, RELAYS[0]], [sue, RELAYS[1]]]) {
    const { types, relay } = await path(member);
    assert.equal(types[0], 'relay', member.name);
    // One's packets may be seen to come from another's relayed address before that is told.
    assert.ok(['relay', 'prflx'].includes(types[1]), `${member.name}: ${types[1]}`);
    assert.ok(relay.startsWith(`turn:${address}:${port}?`), `${member.name}: ${relay}`);
  }
}
