// Who reaches whom behind which routers, and how: unmodified rtc-quickconnect 8.0.0 in Chromium.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { eventually, letPass } from '../harness/js/bounded.mjs';
import { serveQuickconnect } from '../harness/js/quickconnect.mjs';
import { scope } from '../harness/js/scope.mjs';
import { metric, startServer } from '../harness/js/server.mjs';
import { makeCertificate } from './certificate.mjs';
import { ELSEWHERE, PUBLIC_RANGE, SECOND, SERVER, startLab } from './lab.mjs';
import { isRelayed, launchBoth, openBoth, untilEchoed, untilPairs, wayOut } from './pages.mjs';

const LIMIT = { timeout: 90000 };

/** Milliseconds from the first announce until both sides have had their echo. */
const WITHIN = 5000;

/** How long the absence of a connection is watched. */
const WATCH = 6000;

const SECRET = 'of the lab';

let lab;
let site;
let browsers;
/** Nodes that tell pages of the relay over this transport, and over those before it: UDP, TCP, TLS. */
let nodes;
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
  const tlsListener = ['--turn-tls-listen', `${SERVER}:443`, '--turn-tls-cert', cert, '--turn-tls-key', key];
  await startRelay(own, '0.0.0.0:3478', ['--turn-allow-peers', PUBLIC_RANGE, ...tlsListener]);
  const udp = `turn:${SERVER}:3478?transport=udp`;
  const tcp = `turn:${SERVER}:3478?transport=tcp`;
  const tls = `turns:${SERVER}:443?transport=tcp`;
  nodes = {
    tls: await startNode(own, `${ELSEWHERE}:443`, [udp, tcp, tls]),
    tcp: await startNode(own, `${ELSEWHERE}:8082`, [udp, tcp]),
    udp: await startNode(own, `${ELSEWHERE}:8083`, [udp]),
  };
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

// What a row asks of both pages' selected pairs. Pages are told of the relay over the row's transport and over those
// that its routers block: of two that both get through, a lost packet would decide.
const direct = { told: 'tls', of: (pairs) => pairs.every((pair) => wayOut(pair) === 'direct') };
/** One relay between them is enough, whosever it is. */
const relayed = {
  told: 'udp',
  of: (pairs) => pairs.every((pair) => isRelayed(pair) && ['udp', 'direct'].includes(wayOut(pair))),
};
/** The first has no other way; the second may choose its own. */
const firstOver = (told) => ({ told, of: ([first]) => wayOut(first) === told });
const bothOver = (told) => ({ told, of: (pairs) => pairs.every((pair) => wayOut(pair) === told) });

for (const [a, b, how, expected] of [
  ['port-restricted', 'port-restricted', 'directly', direct],
  ['full-cone', 'symmetric', 'directly', direct],
  ['symmetric', 'full-cone', 'directly', direct],
  ['symmetric', 'symmetric', 'through the relay over UDP', relayed],
  ['symmetric', 'port-restricted', 'through the relay over UDP', relayed],
  ['port-restricted', 'symmetric', 'through the relay over UDP', relayed],
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
    const { url } = nodes[expected.told];

    await Promise.all([ann.join(url, room), bob.join(url, room)]);
    const echoedAfter = await untilEchoed(ann, bob);
    const pairs = await untilPairs(ann, bob, expected.of);

    t.diagnostic(`${pairs.map(wayOut).join(' / ')}, echoed after ${echoedAfter} ms`);
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
  await Promise.all([ann.join(nodes.tls.url, 'refused', strictNode.url), bob.join(nodes.tls.url, 'refused', stunNode.url)]);

  const knowsBob = ({ offered, heardOf }) => offered?.includes('relay') && heardOf?.includes('srflx');
  await eventually('Ann to have a relay, and an address of Bob’s', ann.connection, knowsBob, { within: 15000 });
  await eventually('403 for Bob’s addresses', () => metric(strict, 'trunkline_turn_answers_total{result="403"}'));
  for (const page of [ann, bob]) {
    await page.journal.until('the call to fail', ({ event }) => event === 'call:failed', { within: 40000 });
    assert.ok(!hasOpened(page), page.journal.describe());
  }
  assert.equal(await metric(strict, 'trunkline_turn_relayed_packets_total{to="peer"}'), 0);
});
