// Coturn's client finds out by our relay, RFC 5780, what router it is behind.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

import { startServer } from '../harness/js/server.mjs';
import { SECOND, SERVER, SIDES, startLab } from './lab.mjs';

const LIMIT = { timeout: 90000 };

const INDEPENDENT = 'Endpoint Independent';
const DEPENDENT = 'Address and Port Dependent';

let lab;
let relay;
before(async () => {
  lab = startLab();
  const turn = [SERVER, SECOND].flatMap((address) => [3478, 3479].map((port) => `${address}:${port}`)).join(',');
  relay = await startServer({ command: 'turn', listen: { turn }, args: ['--turn-discovery', '--turn-user', 'u:p'] });
});
after(async () => {
  await relay?.stop();
  lab?.close();
});

/** What is found out from the host of side a: `-m` how its router maps, `-f` how it filters. */
async function discover(option) {
  const command = ['turnutils_natdiscovery', option, '-p', '3478', SERVER];
  const { stdout } = await promisify(execFile)('ip', ['netns', 'exec', SIDES.a.host, ...command], { timeout: 60000 });
  return /NAT with (.*) (?:Mapping|Filtering)!/.exec(stdout)?.[1] ?? stdout;
}

for (const [type, mapping, filtering] of [
  ['full-cone', INDEPENDENT, INDEPENDENT],
  ['port-restricted', INDEPENDENT, DEPENDENT],
  ['symmetric', DEPENDENT, DEPENDENT],
]) {
  test(`behind a ${type} router a client finds ${mapping} mapping and ${filtering} filtering`, LIMIT, async () => {
    lab.become('a', type);
    assert.equal(await discover('-m'), mapping);
    assert.equal(await discover('-f'), filtering);
  });
}
