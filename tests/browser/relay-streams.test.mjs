// Connections that reach the relay over TCP and TLS alone, in Chromium.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { LOOPBACK, launchChromium, openPage } from '../harness/js/chromium.mjs';
import { serveQuickconnect } from '../harness/js/quickconnect.mjs';
import { scope } from '../harness/js/scope.mjs';
import { startServer } from '../harness/js/server.mjs';

const LIMIT = { timeout: 90000 };

let browser;
let site;
before(async () => {
  site = await serveQuickconnect();
  // The relay shows a certificate that nobody has signed.
  browser = await launchChromium({ args: [LOOPBACK, '--ignore-certificate-errors'] });
});
after(async () => {
  await browser?.close();
  await site?.close();
});

/** A certificate for 127.0.0.1, and its key. */
async function certificate() {
  const folder = await mkdtemp(join(tmpdir(), 'trunkline-'));
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
      '-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1', '-out', cert, '-keyout', key],
    { stdio: 'ignore', timeout: 20000 },
  );
  return { args: ['--turn-tls-cert', cert, '--turn-tls-key', key], close: () => rm(folder, { recursive: true }) };
}

/** Runs inside a page: two connections through the relay, and how each of them reaches it. */
async function connectThrough(url) {
  const servers = [{ urls: url, username: 'u', credential: 'p' }];
  const [ann, bob] = [0, 1].map(() => new RTCPeerConnection({ iceServers: servers, iceTransportPolicy: 'relay' }));
  const introduce = (from, to) =>
    from.addEventListener('icecandidate', ({ candidate }) => candidate && to.addIceCandidate(candidate));
  introduce(ann, bob);
  introduce(bob, ann);
  bob.addEventListener('datachannel', ({ channel }) =>
    channel.addEventListener('message', ({ data }) => channel.send(data)));
  const channel = ann.createDataChannel('test');
  const echoed = [];
  const done = new Promise((resolve) => {
    channel.addEventListener('open', () => {
      for (let n = 0; n < 200; n += 1) channel.send(String(n).padEnd(1 + ((n * 37) % 4000), '.'));
    });
    channel.addEventListener('message', ({ data }) => {
      echoed.push(parseInt(data, 10));
      if (echoed.length === 200) resolve();
    });
  });
  await ann.setLocalDescription();
  await bob.setRemoteDescription(ann.localDescription);
  await bob.setLocalDescription();
  await ann.setRemoteDescription(bob.localDescription);
  const late = new Promise((_, fail) => setTimeout(() =>
    fail(new Error(`ICE is ${ann.iceConnectionState}, ${echoed.length} echoes`)), 20000));
  await Promise.race([done, late]);
  const protocols = [];
  for (const connection of [ann, bob]) {
    const reports = [...(await connection.getStats()).values()];
    const find = (wanted) => reports.find(({ id }) => id === wanted);
    const pair = find(reports.find(({ type }) => type === 'transport').selectedCandidatePairId);
    const local = find(pair.localCandidateId);
    protocols.push(`${local.candidateType} over ${local.relayProtocol}`);
    connection.close();
  }
  return { protocols, inOrder: echoed.every((n, at) => n === at) };
}

async function reaches(t, options, url, transport) {
  const { own } = scope(t);
  const server = own(await startServer({ command: 'turn', args: ['--turn-user', 'u:p', ...options] }), (s) => s.stop());
  const { page } = own(await openPage(browser, 'Ann'));
  await page.goto(site.url);
  const { protocols, inOrder } = await page.evaluate(([read, to]) => eval(`(${read})`)(to), [
    String(connectThrough), url(server),
  ]);
  assert.deepEqual(protocols, Array(2).fill(`relay over ${transport}`));
  assert.ok(inOrder);
  const text = await (await fetch(`${server.adminUrl}/metrics`)).text();
  assert.match(text, new RegExp(`trunkline_turn_connections_opened_total\\{transport="${transport}"\\} [1-9]`));
}

test('what reaches the relay over TCP alone connects', LIMIT, (t) =>
  reaches(t, [], (server) => `turn:${server.turnAddress}?transport=tcp`, 'tcp'));

test('what reaches the relay over TLS alone connects', LIMIT, async (t) => {
  const { own } = scope(t);
  const made = own(await certificate());
  const options = ['--turn-tls-listen', '127.0.0.1:0', ...made.args];
  await reaches(t, options, (server) => `turns:${server.turnTlsAddress}?transport=tcp`, 'tls');
});
