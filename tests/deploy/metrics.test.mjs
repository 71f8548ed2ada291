// What alerts and dashboards ask for is what nodes and relays serve.

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { eventually } from '../harness/js/bounded.mjs';
import { connectRaw } from '../harness/js/raw.mjs';
import { startRedis } from '../harness/js/redis.mjs';
import { startServer } from '../harness/js/server.mjs';
import { ROOT } from './engine.mjs';
import { startPrometheus } from './prometheus.mjs';

const closers = [];
let node;
let relay;
let prometheus;
before(async () => {
  const own = (resource, close) => (closers.push(close ?? (() => resource.close())), resource);
  const redis = own(await startRedis());
  const args = ['--redis', redis.url, '--turn-secret', 'metrics'];
  node = await startServer({ args: [...args, '--insecure-open-turn'] });
  own(node, () => node.stop());
  relay = await startServer({ command: 'turn', args });
  own(relay, () => relay.stop());
  const target = ({ adminUrl }) => [new URL(adminUrl).host];
  prometheus = own(await startPrometheus({ signal: target(node), turn: target(relay) }));
  await happen();
}, { timeout: 60000 });
after(async () => {
  for (const close of closers.reverse()) await close();
});

/** What is served by reason once there was one. */
async function happen() {
  const stranger = await connectRaw(`${node.url}/`, 'a stranger');
  stranger.send('nonsense');
  await stranger.flushed();
  stranger.close();
  const client = await connectRaw(`${node.url}/v1/connect`, 'a client');
  const say = (type, fields) => client.send(JSON.stringify({ type, ...fields }));
  say('hello', { v: 1 });
  say('announce', { room: 'r', peer: 'p', data: {} });
  say('request', { id: 'q', peer: 'nobody' });
  await client.journal.until('the answer', ({ frame }) => frame && JSON.parse(frame).type === 'answer');
  client.close();
}

/** Every query of a dashboard, with where it stands. */
async function ofDashboards() {
  const folder = join(ROOT, 'deploy/grafana/dashboards');
  const boards = await Promise.all((await readdir(folder)).map(async (file) => JSON.parse(await readFile(join(folder, file)))));
  return boards.flatMap(({ title, panels }) =>
    panels.flatMap((panel) => panel.targets.map(({ expr }) => ({ text: expr, where: `${title}, ${panel.title}` }))));
}

/** Names as queries have them. */
async function served({ adminUrl }) {
  const text = await (await fetch(`${adminUrl}/metrics`)).text();
  const suffix = { counter: '_total', info: '_info' };
  return [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => name + (suffix[type] ?? ''));
}

test('every metric that an alert or a dashboard names is served, by a node or by a relay', async () => {
  const known = new Set([...(await served(node)), ...(await served(relay)), 'up']);
  const ofRules = (await prometheus.rules()).map(({ name, query }) => ({ text: query, where: name }));
  let count = 0;
  for (const { text, where } of [...(await ofDashboards()), ...ofRules]) {
    const names = text.replace(/\{[^}]*\}/g, '').match(/\b(?:\w+_\w+|up)\b/g).filter((word) => !/_over_time$|^group_left$/.test(word));
    assert.ok(names.length > 0, where);
    for (const name of names) assert.ok(known.has(name), `${where}: nobody serves ${name}`);
    count += names.length;
  }
  assert.ok(count > 80, `${count} names`);
});

test('every metric that a node or a relay serves is in a dashboard', async () => {
  const shown = (await ofDashboards()).map(({ text }) => text).join('\n');
  const hidden = [...new Set([...(await served(node)), ...(await served(relay))])].filter((name) => !shown.includes(name));
  assert.deepEqual(hidden, []);
});

test('every query of a dashboard is answered, about real nodes', { timeout: 60000 }, async () => {
  const queries = await ofDashboards();
  // A rate needs two looks, at the node after what came last, and at the relay.
  for (const name of ['trunkline_answers_total', 'trunkline_turn_relayed_packets_total']) {
    const rate = () => prometheus.query(`rate(${name}[1m])`);
    await eventually(`two looks at ${name}`, rate, (series) => series.length > 0, { within: 20000, every: 200 });
  }
  const silent = [];
  for (const { text, where } of queries) {
    const series = await prometheus.query(text);
    // What shows only what is more than nothing may show nothing.
    if (series.length === 0 && !text.endsWith('> 0')) silent.push(`${where}: ${text}`);
  }
  assert.deepEqual(silent, []);
  assert.ok(queries.length > 50, `${queries.length} queries`);
});

test('each rule is evaluated without a failure, says what it means, and has a case of its own', async () => {
  const isEvaluated = (rules) => rules.every(({ health }) => health !== 'unknown');
  const rules = await eventually('every rule to be evaluated', prometheus.rules, isEvaluated, { within: 20000, every: 200 });
  const folder = join(ROOT, 'tests/deploy/alerts');
  const cases = (await Promise.all((await readdir(folder)).map((file) => readFile(join(folder, file), 'utf8')))).join();
  for (const { name, health, lastError, labels, annotations } of rules) {
    assert.equal(health, 'ok', `${name}: ${lastError}`);
    assert.ok(['warning', 'critical'].includes(labels.severity), name);
    assert.ok(annotations.summary && annotations.description, `${name} does not say what it means`);
    assert.ok(cases.includes(`alertname="${name}"`), `${name} fires in no case of tests/deploy/alerts`);
  }
  assert.ok(rules.length > 20, `${rules.length} rules`);
});
