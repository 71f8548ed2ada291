// A real Redis, without persistence, stopped by its process id.

import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';

import { bounded } from './bounded.mjs';
import { Journal } from './journal.mjs';
import { lastingPort } from './ports.mjs';

const running = new Set();
// Nothing may outlive the test process, however it ends.
process.once('exit', () => running.forEach((child) => child.kill('SIGKILL')));

export async function startRedis() {
  const port = await lastingPort();
  const log = new Journal('redis-server');
  const child = spawn(
    'redis-server',
    ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', tmpdir(), '--save', '', '--appendonly', 'no'],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  running.add(child);
  child.stdout.on('data', (chunk) => `${chunk}`.split('\n').forEach((line) => log.append(line)));
  const exited = new Promise((done) => {
    for (const event of ['exit', 'error']) {
      child.once(event, (reason) => {
        running.delete(child);
        log.append(`ended: ${reason}`);
        done();
      });
    }
  });
  const close = () => {
    child.kill('SIGKILL');
    return bounded('redis-server to end', exited);
  };
  const isAnswer = (line) => line.includes('Ready to accept connections') || line.startsWith('ended');
  try {
    const line = await log.until('Redis to be ready', isAnswer, { within: 10000 });
    if (line.startsWith('ended')) throw new Error(`redis-server does not start; ${log.describe()}`);
  } catch (failure) {
    child.kill('SIGKILL');
    throw failure;
  }
  return { url: `redis://127.0.0.1:${port}`, close };
}
