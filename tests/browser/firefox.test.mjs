// A relay that refuses some peers, in Firefox.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { bounded, eventually } from '../harness/js/bounded.mjs';
import { launchFirefox, openFirefoxPage } from '../harness/js/firefox.mjs';
import { scope } from '../harness/js/scope.mjs';
import { startServer } from '../harness/js/server.mjs';

const LIMIT = { timeout: 90000 };

// Of the kind that the default policy refuses, and not the relay's own. Firefox pairs a relay on loopback with
// nothing but loopback, and offers none itself where the machine has another address.
const REFUSED = ['127.0.0.2', '127.0.0.3'];

let firefox;
before(async () => {
  firefox = await launchFirefox();
});
after(() => firefox?.close());

/** The value of a metric, or 0. */
async function metric(server, name) {
  const text = await (await fetch(`${server.adminUrl}/metrics`)).text();
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `));
  return line ? Number(line.split(' ')[1]) : 0;
}

/** Runs inside the page: connects two sides, of which the relayed one learns host candidates alone for now. */
async function introduceHosts(url, refused) {
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
  const { usernameFragment } = gathered.relays[0];
  const foreign = refused.map((ip, i) => ({
    candidate: `candidate:${i + 90} 1 UDP ${2130706431 - i} ${ip} 50000 typ host`,
    sdpMLineIndex: 0,
    usernameFragment,
  }));
  for (const candidate of [...foreign, ...gathered.hosts]) await relayed.addIceCandidate(candidate);
  window.sides = { relayed, relays: gathered.relays, echoed };
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
  const pair = [...reports.values()].find(({ type, selected }) => type === 'candidate-pair' && selected);
  return { echo, local: reports.get(pair?.localCandidateId)?.candidateType };
}

test('a 403 for each host candidate does not end the relay in Firefox', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer({ command: 'turn', args: ['--turn-user', 'u:p'] }), (s) => s.stop());
  const { page } = own(await openFirefoxPage(firefox, 'Ann'));

  await bounded('the candidates', page.evaluate(introduceHosts, server.turnAddress, REFUSED), 20000);
  const refusals = () => metric(server, 'trunkline_turn_answers_total{result="403"}');
  await eventually('the refusals', refusals, (count) => count >= REFUSED.length);

  const { echo, local } = await bounded('the echo', page.evaluate(introduceRelay), 25000);
  assert.equal(echo, 'echo over the relay');
  assert.equal(local, 'relay');
});
