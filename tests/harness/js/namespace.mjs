// A network of a test's own: addresses are those that it needs, and nobody else sees them.

import { spawn } from 'node:child_process';

const INSIDE = 'TEST_NAMESPACE';

/** Whether this process runs in the namespace that `runInside` made. */
export const isInside = () => INSIDE in process.env;

/**
 * Runs a test file in a network namespace that `ip` has set up as `setup`, lines of shell, says; loopback is up.
 * Rejects with what it wrote when it does not end well.
 */
export function runInside(file, setup) {
  // Who is not root is, in a namespace of users.
  const user = process.getuid() === 0 ? [] : ['--map-root-user'];
  const script = `set -e\nip link set lo up\n${setup}\nexec "$0" "$1"`;
  // Or it would write for the runner that runs this process.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const child = spawn('unshare', [...user, '--net', 'sh', '-c', script, process.execPath, file], {
    env: { ...env, [INSIDE]: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const end = () => child.kill('SIGKILL');
  process.once('exit', end);
  let wrote = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (wrote += chunk));
  return new Promise((done, fail) => {
    child.once('error', fail);
    child.once('close', (code) => {
      process.off('exit', end);
      if (code === 0) done();
      else fail(new Error(`in the namespace: exit ${code}\n${wrote}`));
    });
  });
}
