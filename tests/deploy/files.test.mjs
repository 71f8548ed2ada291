// What can be said of the files of deploy/ without starting anything.

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { compose, configured } from './compose.mjs';
import { execute, ROOT } from './engine.mjs';

const read = (path) => readFile(join(ROOT, path), 'utf8');
const COMPOSE = 'docker-compose.yml';
const DOCKERFILE = 'deploy/docker/Dockerfile';

test('Compose takes its file without a warning', async () => {
  assert.equal(await compose(['config', '--quiet']), '');
});

test('hadolint has nothing to say of the Dockerfile', async () => {
  assert.equal(await execute(join(ROOT, 'target/tools/bin/hadolint'), [DOCKERFILE]), '');
});

test('the Dockerfile names no architecture, pulls no syntax, and ends as a user other than root', async () => {
  const text = await read(DOCKERFILE);
  assert.doesNotMatch(text, /amd64|arm64|x86_64|aarch64|# *syntax=/);
  assert.match(text.split(/^FROM /m).pop(), /^USER [1-9]/m);
  assert.match(text, /^HEALTHCHECK /m);
});

test('every service is contained, nothing is privileged, and no limit is raised', async () => {
  const { services } = await configured();
  assert.deepEqual(Object.keys(services).sort(), [
    'balancer', 'grafana', 'prometheus', 'redis', 'relay-network', 'secrets', 'signal', 'turn-1', 'turn-2',
  ]);
  for (const [name, service] of Object.entries(services)) {
    assert.equal(service.read_only, true, name);
    assert.deepEqual(service.cap_drop, ['ALL'], name);
    assert.deepEqual(service.security_opt, ['no-new-privileges:true'], name);
    for (const key of ['privileged', 'cap_add', 'ulimits']) assert.ok(!service[key], `${name}: ${key}`);
  }
});

test('nothing is published beyond this machine unless that is asked for', async () => {
  const published = ({ services }) => Object.values(services).flatMap(({ ports = [] }) => ports.map((port) => port.host_ip));
  assert.deepEqual([...new Set(published(await configured()))], ['127.0.0.1']);
  assert.ok(published(await configured({ TRUNKLINE_BIND: '0.0.0.0' })).includes('0.0.0.0'));
});

test('every variable of the compose file has its row in deploy/README.md with its default, and no other has one', async () => {
  const used = new Map([...(await read(COMPOSE)).matchAll(/\$\{(TRUNKLINE_\w+):-([^}]*)\}/g)].map(([, name, value]) => [name, value]));
  used.set('TRUNKLINE_ICE_SERVER', '');
  const rows = (await read('deploy/README.md')).split('\n').filter((line) => line.startsWith('| `TRUNKLINE_'));
  const quoted = (cell) => [...cell.matchAll(/`([^`]*)`/g)].map(([, text]) => text);
  const documented = new Map(rows.flatMap((row) => {
    const [, names, defaults] = row.split('|');
    return quoted(names).map((name, at) => [name, quoted(defaults)[at] ?? '']);
  }));
  assert.deepEqual(Object.fromEntries(documented), Object.fromEntries(used));
});

test('promtool takes the configuration and the rules', async () => {
  // By the paths that the files have in the container.
  await execute('promtool', ['check', 'config', '--syntax-only', join(ROOT, 'deploy/prometheus/prometheus.yml')]);
  for (const file of await readdir(join(ROOT, 'deploy/prometheus/rules'))) {
    await execute('promtool', ['check', 'rules', '--lint=all', '--lint-fatal', join(ROOT, 'deploy/prometheus/rules', file)]);
  }
});

test('each alert fires when it should, and not when all is well', { timeout: 60000 }, async () => {
  const folder = join(ROOT, 'tests/deploy/alerts');
  const files = (await readdir(folder)).map((file) => join(folder, file));
  await execute('promtool', ['test', 'rules', ...files]);
});
