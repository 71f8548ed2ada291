// A relay that refuses the browser's own addresses, in Chromium and in Firefox. In a namespace, where these are of a
// private network whatever the machine's are.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { bounded, eventually } from '../harness/js/bounded.mjs';
import { launchChromium, openPage } from '../harness/js/chromium.mjs';
import { launchFirefox, openFirefoxPage } from '../harness/js/firefox.mjs';
import { isInside, runInside } from '../harness/js/namespace.mjs';
import { scope } from '../harness/js/scope.mjs';
import { metric, startServer } from '../harness/js/server.mjs';

const LIMIT = { timeout: 90000 };

const BROWSERS = {
  Chromium: [launchChromium, openPage],
  Firefox: [launchFirefox, openFirefoxPage],
};

// The browser's address, and the relay's, which is elsewhere: a relay's own is open to its clients.
const HOST = '10.77.0.1';
const RELAY = '203.0.113.9';
const SETUP = `
  ip link add name v0 type veth peer name v1
  ip link set v0 up
  ip link set v1 up
  ip address add ${HOST}/24 dev v0
  ip route add default via 10.77.0.2
  ip address add ${RELAY}/32 dev lo`;

/** Runs inside the page: connects two sides, of which the relayed one learns host candidates alone for now. */
async function introduceHosts(url) {
  const server = { urls: `turn:${url}?transport=udp`, username: 'u', credential: 'p' };
  const [relayed, open] = ['relay', 'all'].map(
    (iceTransportPolicy) => new RTCPeerConnection({ iceServers: [server], iceTransportPolicy }),
  );
  const gathered = { hosts: [], relays: [] };
  const complete = new Promise((done) => {
    open.addEventListener('icecandidate', ({ candidate }) => {
      if (candidate === null) done();
      else if (candidate.type === 'host') gathered.hosts.push(candidate);
      else if (candidate.type === 'relay') gathered.relays.push(candidate);
    });
  });
  relayed.addEventListener('icecandidate', ({ candidate }) => candidate && open.addIceCandidate(candidate));

  const channel = relayed.createDataChannel('test');
  const echoed = new Promise((done) => channel.addEventListener('message', ({ data }) => done(data)));
  channel.addEventListener('open', () => channel.send('over the relay'));
  open.addEventListener('datachannel', ({ channel: other }) => {
    other.addEventListener('message', ({ data }) => other.send(`echo ${data}`));
  });
  await relayed.setLocalDescription();
  await open.setRemoteDescription(relayed.localDescription);
  await open.setLocalDescription();
  const offered = { type: 'answer', sdp: open.localDescription.sdp.replace(/^a=(candidate|end-of-cand).*\r\n/gm, '') };
  await relayed.setRemoteDescription(offered);
  await complete;
  for (const candidate of gathered.hosts) await relayed.addIceCandidate(candidate);
  window.sides = { relayed, relays: gathered.relays, echoed };
  return gathered.hosts.map(({ address }) => address);
}

/** Runs inside the page: hands on the one candidate that is allowed. */
async function introduceRelay() {
  const { relayed, relays, echoed } = window.sides;
  const before = relayed.iceConnectionState;
  for (const candidate of relays) await relayed.addIceCandidate(candidate);
  const late = new Promise((_, fail) =>
    setTimeout(() => fail(new Error(`ICE was ${before}, is ${relayed.iceConnectionState}`)), 20000),
  );
  const echo = await Promise.race([echoed, late]);
  const reports = new Map([...(await relayed.getStats()).values()].map((report) => [report.id, report]));
  // Firefox marks the pair, Chromium's transport names it.
  const named = [...reports.values()].map(({ selectedCandidatePairId }) => selectedCandidatePairId);
  const isUsed = ({ id, type, selected }) => type === 'candidate-pair' && (selected || named.includes(id));
  const pair = [...reports.values()].find(isUsed);
  return { echo, local: reports.get(pair?.localCandidateId)?.candidateType };
}

async function survivesRefusal(t, [launch, open]) {
  const { own } = scope(t);
  const args = ['--turn-user', 'u:p', '--turn-listen', `${RELAY}:3478`, '--turn-relay-ip', RELAY];
  const server = own(await startServer({ command: 'turn', args }), (s) => s.stop());
  const browser = own(await launch());
  const { page } = own(await open(browser, 'Ann'));

  const hosts = await bounded('the candidates', page.evaluate(introduceHosts, `${RELAY}:3478`), 20000);
  assert.ok(hosts.includes(HOST), `its addresses are ${hosts}`);
  await eventually('a refusal', () => metric(server, 'trunkline_turn_answers_total{result="403"}'));

  const { echo, local } = await bounded('the echo', page.evaluate(introduceRelay), 25000);
  assert.equal(echo, 'echo over the relay');
  assert.equal(local, 'relay');
}

const NAME = 'a 403 for each of its own host candidates does not end the relay';
if (isInside()) {
  for (const [name, browser] of Object.entries(BROWSERS)) {
    test(`${NAME} in ${name}`, LIMIT, (t) => survivesRefusal(t, browser));
  }
} else {
  test(`${NAME} in ${Object.keys(BROWSERS).join(' and ')}`, { timeout: 180000 }, () =>
    runInside(fileURLToPath(import.meta.url), SETUP),
  );
}
