// A shell in a lab: `tests/nat/run look TYPE TYPE`.

import { spawnSync } from 'node:child_process';

import { SIDES, startLab } from './lab.mjs';

const [a, b] = process.argv.slice(2);
const lab = startLab({ a, b });
for (const { host, private: address, router, public: outside } of Object.values(SIDES)) {
  console.log(`${host} ${address} behind ${router} ${outside}: ip netns exec ${host} COMMAND`);
}
console.log('here are the servers: 198.51.100.10, 198.51.100.11, 203.0.113.10');
const { status } = spawnSync(process.env.SHELL ?? 'sh', { stdio: 'inherit' });
lab.close();
process.exitCode = status ?? 1;
