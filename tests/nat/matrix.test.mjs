// Who reaches whom behind which routers, and how: unmodified rtc-quickconnect 8.0.0 in Chromium.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { eventually, letPass } from '../harness/js/bounded.mjs';
import { serveQuickconnect } from '../harness/js/quickconnect.mjs';
import { scope } from '../harness/js/scope.mjs';
import { metric, startServer } from '../harness/js/server.mjs';
import { makeCertificate } from './certificate.mjs';
import { ELSEWHERE, PUBLIC_RANGE, SECOND, SERVER, startLab } from './lab.mjs';
import { launchBoth, openBoth, untilEchoed, untilWays } from './pages.mjs';

const LIMIT = { timeout: 90000 };

/** Milliseconds from the first announce until both sides have had their echo. */
const WITHIN = 5000;

/** How long the absence of a connection is watched. */
const WATCH = 6000;

const SECRET = 'of the lab';

let lab;
let site;
let browsers;
let node;
const closers = [];
const own = (resource, close = () => resource.close()) => {
  closers.unshift(() => close(resource));
  return resource;
};

before(async () => {
  lab = own(startLab());
  // At 443, the one port that the strictest of the routers lets through, each at an address of its own.
  site = own(await serveQuickconnect({ host: SECOND, port: 443 }));
  const { cert, key, chromium } = makeCertificate(own, SERVER);
  const tls = ['--turn-tls-listen', `${SERVER}:443`, '--turn-tls-cert', cert, '--turn-tls-key', key];
  await startRelay(own, '0.0.0.0:3478', ['--turn-allow-peers', PUBLIC_RANGE, ...tls]);
  const turn = `turn:${SERVER}:3478`;
  node = await startNode(own, `${ELSEWHERE}:443`, [
    `${turn}?transport=udp`,
    `${turn}?transport=tcp`,
    `turns:${SERVER}:443?transport=tcp`,
  ]);
  browsers = await launchBoth(own, [chromium]);
});
after(async () => {
  for (const close of closers) await close();
});

async function startRelay(owner, turn, args = []) {
  const relay = await startServer({ command: 'turn', listen: { turn }, args: ['--turn-secret', SECRET, ...args] });
  return owner(relay, () => relay.stop());
}

/** A node that tells pages of these relays. */
async function startNode(owner, address, urls) {
  const args = ['--insecure-open-turn', '--turn-secret', SECRET, '--turn-url', urls.join(',')];
  const started = await startServer({ listen: { public: address }, args });
  return owner(started, () => started.stop());
}

const direct = (ways) => ways.every((way) => way === 'direct');
/** One relay between them is enough. */
const relayedOver = (transport) => (ways) => ways.includes(transport) && ways.every((way) => way === transport || way === 'direct');
/** The first has no other way; the second may choose its own. */
const firstOver = (transport) => ([first]) => first === transport;
const bothOver = (transport) => (ways) => ways.every((way) => way === transport);

for (const [a, b, how, accept] of [
  ['port-restricted', 'port-restricted', 'directly', direct],
  ['full-cone', 'symmetric', 'directly', direct],
  ['symmetric', 'full-cone', 'directly', direct],
  ['symmetric', 'symmetric', 'through the relay over UDP', relayedOver('udp')],
  ['symmetric', 'port-restricted', 'through the relay over UDP', relayedOver('udp')],
  ['port-restricted', 'symmetric', 'through the relay over UDP', relayedOver('udp')],
  ['udp-blocked', 'port-restricted', 'through the relay over TCP', firstOver('tcp')],
  ['udp-blocked', 'symmetric', 'through the relay over TCP', firstOver('tcp')],
  ['udp-blocked', 'udp-blocked', 'through the relay over TCP', bothOver('tcp')],
  ['tls-only', 'port-restricted', 'through the relay over TLS', firstOver('tls')],
  ['tls-only', 'tls-only', 'through the relay over TLS', bothOver('tls')],
]) {
  test(`${a} and ${b} connect ${how} and echo within 5 s`, LIMIT, async (t) => {
    const { own: ownHere } = scope(t);
    lab.become('a', a);
    lab.become('b', b);
    const [ann, bob] = await openBoth(ownHere, browsers, site);
    const room = `${a}-${b}`;

    await Promise.all([ann.join(node.url, room), bob.join(node.url, room)]);
    const echoedAfter = await untilEchoed(ann, bob);
    const ways = await untilWays(ann, bob, accept);

    t.diagnostic(`${ways.join(' / ')}, echoed after ${echoedAfter} ms`);
    assert.ok(echoedAfter <= WITHIN, `echoed after ${echoedAfter} ms`);
    for (const page of [ann, bob]) assert.deepEqual(page.errors(), []);
  });
}

/** A node that tells pages where they are, and of no relay. */
async function startStunNode(owner) {
  const args = ['--ice-server', `stun:${SERVER}:3478`];
  const started = await startServer({ listen: { public: `${ELSEWHERE}:8080` }, args });
  return owner(started, () => started.stop());
}

const hasOpened = ({ journal }) => journal.all((entry) => 'open' in entry).length > 0;

test('without a relay full-cone and symmetric connect, symmetric and symmetric do not', LIMIT, async (t) => {
  const { own: ownHere } = scope(t);
  const stunNode = await startStunNode(ownHere);
  lab.become('a', 'full-cone');
  lab.become('b', 'symmetric');
  const near = await openBoth(ownHere, browsers, site);
  await Promise.all(near.map((page) => page.join(stunNode.url, 'near')));
  await untilEchoed(...near);

  lab.become('a', 'symmetric');
  const far = await openBoth(ownHere, browsers, site);
  await Promise.all(far.map((page) => page.join(stunNode.url, 'far')));

  // Both have told the other where they are as seen from outside, and send to it.
  for (const page of far) {
    const isChecking = ({ heardOf, checks }) => heardOf?.includes('srflx') && checks > 10;
    await eventually(`${page.name} to check candidates`, page.connection, isChecking, { within: 15000 });
  }
  await letPass(WATCH);
  for (const page of far) {
    const { state, answers } = await page.connection();
    assert.deepEqual({ state, answers, open: hasOpened(page) }, { state: 'checking', answers: 0, open: false });
  }
});

test('a relay that may not reach the other side says 403, and the page says that the call failed', LIMIT, async (t) => {
  const { own: ownHere } = scope(t);
  lab.become('a', 'symmetric');
  lab.become('b', 'symmetric');
  // Bob has no relay: between two of the same one's allocations there is always a way.
  const strict = await startRelay(ownHere, `${SERVER}:3479`);
  const strictNode = await startNode(ownHere, `${ELSEWHERE}:8081`, [`turn:${SERVER}:3479?transport=udp`]);
  const stunNode = await startStunNode(ownHere);
  const [ann, bob] = await openBoth(ownHere, browsers, site);
  await Promise.all([ann.join(node.url, 'refused', strictNode.url), bob.join(node.url, 'refused', stunNode.url)]);

  const knowsBob = ({ offered, heardOf }) => offered?.includes('relay') && heardOf?.includes('srflx');
  await eventually('Ann to have a relay, and an address of Bob’s', ann.connection, knowsBob, { within: 15000 });
  await eventually('403 for Bob’s addresses', () => metric(strict, 'trunkline_turn_answers_total{result="403"}'));
  for (const page of [ann, bob]) {
    await page.journal.until('the call to fail', ({ event }) => event === 'call:failed', { within: 40000 });
    assert.ok(!hasOpened(page), page.journal.describe());
  }
  assert.equal(await metric(strict, 'trunkline_turn_relayed_packets_total{to="peer"}'), 0);
});
