// `docker compose up`, for real: who calls through it, and what a call survives.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { eventually, letPass } from '../harness/js/bounded.mjs';
import { launchChromium } from '../harness/js/chromium.mjs';
import { assertTalk, serveLibrary, told, untilTold } from '../harness/js/library.mjs';
import { scope } from '../harness/js/scope.mjs';
import { assertRelayedApart, callAndWait, openApart } from './calls.mjs';
import { addressOf, compose, configured, containers, down, logs, nodes, up } from './compose.mjs';
import { docker, execute, makeImages, startEngine } from './engine.mjs';

const LIMIT = { timeout: 90000 };
const URL_OF_ALL = 'http://localhost:8080';
const LEASE = 10000;

let engine;
let browser;
let site;
before(async () => {
  engine = await startEngine();
  const { services } = await configured();
  const images = new Set(Object.values(services).map(({ image }) => image));
  images.delete('trunkline');
  await makeImages(images);
  await up().catch(async (failure) => {
    failure.message += `\n${await logs()}`;
    throw failure;
  });
  site = await serveLibrary();
  // As anybody's: nothing is allowed that browsers refuse.
  browser = await launchChromium({ args: [] });
}, { timeout: 180000 });
after(async () => {
  await browser?.close();
  await site?.close();
  if (engine) await down().finally(() => engine.close());
}, { timeout: 90000 });

const json = async (url) => (await fetch(url, { signal: AbortSignal.timeout(5000) })).json();
const query = async (text) =>
  (await json(`http://localhost:9090/api/v1/query?query=${encodeURIComponent(text)}`)).data.result;

/** What a relay has sent to peers, from its own /metrics. */
async function relayed(at) {
  const [network] = await containers('relay-network');
  const text = await (await fetch(`http://${addressOf(network)}:${8082 + at}/metrics`)).text();
  return Number(/^trunkline_turn_relayed_packets_total\{to="peer"\} (\d+)/m.exec(text)[1]);
}

/** The load balancer has an answer to each of so many, one after the other, whichever node each is meant for. */
async function assertServed(count) {
  for (let asked = 0; asked < count; asked += 1) {
    const { status } = await fetch(`${URL_OF_ALL}/v1/ice`, { signal: AbortSignal.timeout(5000) });
    assert.equal(status, 200, `request ${asked + 1} after a node was killed`);
  }
}

test('a call between two nodes and through two relays outlives one of the nodes', LIMIT, async (t) => {
  const { own } = scope(t);
  const before = [await relayed(0), await relayed(1)];
  const { bob, sue } = await openApart(own, browser, site, 'apart');
  await callAndWait(t, bob, sue);
  await assertRelayedApart(bob, sue);
  for (const at of [0, 1]) assert.ok((await relayed(at)) > before[at], `relay ${at + 1} has sent nothing to peers`);

  const from = sue.journal.mark();
  const fromBob = bob.journal.mark();
  const lost = sue.node();
  const killed = (await nodes()).get(lost);
  await docker('kill', '--signal', 'KILL', killed.Id);
  await assertServed(30);
  await assertTalk(bob, sue, 'with a node less');
  await untilTold(sue, 'state', ({ state }) => state === 'announced', { from, within: 15000 });
  assert.notEqual(sue.node(), lost);
  await bob.page.evaluate(([to, list]) => sendAll(to, list), [sue.id, ['by way of the other node']]);
  await untilTold(sue, 'message', ({ body }) => body === 'by way of the other node', { from, within: 10000 });

  // By then the peers of a dead node have been told to have left, if they have.
  await letPass(LEASE + 5000);
  const left = bob.journal.entries.slice(fromBob).filter(({ event }) => event === 'left');
  assert.deepEqual([...left, ...told(sue, 'left')], []);
  await assertTalk(sue, bob, 'at the end');
  await assertRelayedApart(bob, sue);
  await docker('start', killed.Id);
});

test('the page of the demo and the documentation come through the load balancer', LIMIT, async () => {
  for (const page of ['/', '/docs', '/connect/', '/v1/ice']) {
    const { status } = await fetch(`${URL_OF_ALL}${page}`);
    assert.equal(status, 200, page);
  }
});

test('a node more is found by the load balancer and by Prometheus', LIMIT, async () => {
  await up('--scale', 'signal=4', '--no-recreate');
  const metrics = async () => {
    const [balancer] = await containers('balancer');
    return (await fetch(`http://${addressOf(balancer)}:8404/metrics`)).text();
  };
  const serving = async () => /^haproxy_backend_active_servers\{proxy="signal"\} (\d+)/m.exec(await metrics())?.[1];
  await eventually('four nodes behind the load balancer', serving, (count) => count === '4', { within: 20000 });
  const scraped = () => query('sum(up{job="signal"})').then(([sum]) => sum?.value[1]);
  await eventually('four nodes in Prometheus', scraped, (count) => count === '4', { within: 30000, every: 500 });
});

test('Prometheus scrapes everything, has read every rule, and nothing is down', LIMIT, async () => {
  const down = () => query('up == 0');
  await eventually('nothing to be down', down, (series) => series.length === 0, { within: 30000, every: 500 });
  const jobs = (await query('count by (job) (up)')).map(({ metric, value }) => [metric.job, value[1]]);
  assert.deepEqual(Object.fromEntries(jobs), { signal: '4', turn: '2', balancer: '1', prometheus: '1' });
  const { groups } = (await json('http://localhost:9090/api/v1/rules')).data;
  assert.deepEqual(groups.map(({ name }) => name).sort(), ['processes', 'relays', 'signalling']);
  for (const { rules } of groups) for (const rule of rules) assert.equal(rule.health, 'ok', `${rule.name}: ${rule.lastError}`);
});

test('a new TURN secret is taken by nodes and relays as they run, and calls with it are relayed', LIMIT, async (t) => {
  const { own } = scope(t);
  const secrets = () => query('min(trunkline_turn_secrets)').then(([least]) => least?.value[1]);
  assert.equal(await secrets(), '1');
  await compose(['run', '--rm', '--no-TTY', 'secrets', 'rotate']);
  await eventually('relays to have two secrets', secrets, (count) => count === '2', { within: 20000, every: 500 });
  const { bob, sue } = await openApart(own, browser, site, 'rotated');
  await callAndWait(t, sue, bob);
  await assertRelayedApart(bob, sue);
});

test('relays that tell another address of this machine carry calls there', LIMIT, async (t) => {
  const { own } = scope(t);
  await execute('ip', ['address', 'add', '198.51.100.7/32', 'dev', 'lo']);
  const env = { TRUNKLINE_BIND: '0.0.0.0', TRUNKLINE_EXTERNAL_IP: '198.51.100.7' };
  // They would wait for those that they relay.
  await compose(['kill', 'turn-1', 'turn-2']);
  await compose(['up', '--detach', '--no-build', '--pull', 'never', '--no-deps', '--wait', 'relay-network', 'turn-1', 'turn-2'], { env });
  const told = () => json(`${URL_OF_ALL}/v1/ice`).then(({ iceServers }) => iceServers.flatMap(({ urls }) => urls));
  const isOther = (urls) => urls.length === 4 && urls.every((url) => url.includes('198.51.100.7'));
  await eventually('both relays to be told by the other address', told, isOther, { within: 20000 });
  const { bob, sue } = await openApart(own, browser, site, 'elsewhere');
  await callAndWait(t, bob, sue);
  await assertRelayedApart(bob, sue, '198.51.100.7');
});

test('no container runs as root, writes to its image, or has more rights than a process needs', LIMIT, async () => {
  for (const service of (await compose(['ps', '--services'])).trim().split('\n')) {
    for (const { Name, Config, HostConfig } of await containers(service)) {
      assert.match(Config.User, /^[1-9]/, Name);
      assert.equal(HostConfig.Privileged, false, Name);
      assert.equal(HostConfig.ReadonlyRootfs, true, Name);
      assert.deepEqual(HostConfig.CapDrop, ['ALL'], Name);
      assert.deepEqual(HostConfig.CapAdd, null, Name);
      assert.deepEqual(HostConfig.SecurityOpt, ['no-new-privileges:true'], Name);
      assert.ok(!HostConfig.Binds?.some((bind) => bind.includes('docker.sock')), Name);
    }
  }
});

test('no secret is in what a container is started with, and each is long', LIMIT, async () => {
  const [signal] = await containers('signal');
  const seen = JSON.stringify(await containers('signal')) + JSON.stringify(await containers('turn-1')) + (await logs());
  for (const file of ['cluster-key', 'turn-secrets']) {
    const text = await docker('exec', signal.Id, 'cat', `/run/trunkline-secrets/${file}`);
    for (const secret of text.trim().split('\n')) {
      assert.ok(secret.length >= 43, file);
      assert.ok(!seen.includes(secret), `${file} is seen`);
    }
  }
  const [grafana] = await containers('grafana');
  const password = await docker('exec', grafana.Id, 'bash', '-c', 'echo "$(< /run/grafana-secrets/admin-password)"');
  assert.ok(password.trim().length >= 43);
});

test('the image by itself is healthy while its process answers, and not without one', LIMIT, async (t) => {
  const { own } = scope(t);
  const id = (await docker('run', '--detach', '--health-interval', '1s', 'trunkline', 'turn', '--turn-secret', 's')).trim();
  own(id, () => docker('rm', '--force', id));
  const health = async () => (await docker('inspect', '--format', '{{.State.Health.Status}}', id)).trim();
  await eventually('the container to be healthy', health, (status) => status === 'healthy', { within: 20000 });
  await assert.rejects(docker('run', '--rm', '--entrypoint', 'health', 'trunkline', 'healthz'), /not at any port of: 8081 8082/);
  assert.match(await docker('run', '--rm', 'trunkline', '--version'), /^trunkline /);
});
