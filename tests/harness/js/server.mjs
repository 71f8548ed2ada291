// Starts the server under test and stops it by its process id.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { bounded } from './bounded.mjs';
import { Journal } from './journal.mjs';

const REPOSITORY = fileURLToPath(new URL('../../../', import.meta.url));
const BINARY = resolve(process.env.TEST_BINARY ?? `${REPOSITORY}/target/release/trunkline`);

const ANSI = /\u001b\[[0-9;]*m/g;
const LISTENING = /\blistening\b.*\bname="?([\w-]+)"?.*\baddress="?([^\s"]+)"?/;

const running = new Set();
// Nothing may outlive the test process, however it ends.
process.once('exit', () => running.forEach((child) => child.kill('SIGKILL')));
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

const OPTIONS = { public: '--listen', admin: '--admin-listen', turn: '--turn-listen' };

/** What each command listens with, by the names in its log. */
const LISTENERS = { signal: ['public', 'admin'], dev: ['public', 'admin', 'turn'], turn: ['turn', 'admin'] };

/** A relay that is told to end does not wait for the allocations of browsers that are still there. */
const DEFAULTS = { signal: [], dev: [], turn: ['--drain-window', '0s'] };

/**
 * `port` 0 takes a free one; name the port of an earlier server to take its place. `listen` has the addresses of those
 * listeners that are not to be on loopback.
 */
export async function startServer({ command = 'signal', port = 0, listen = {}, args = [] } = {}) {
  if (!existsSync(BINARY)) {
    throw new Error(`no server at ${BINARY}: build it with \`cargo build --release\`, or set TEST_BINARY`);
  }
  const log = new Journal('server');
  const onLoopback = (name) => `127.0.0.1:${name === 'public' ? port : 0}`;
  const child = spawn(
    BINARY,
    [
      command,
      ...LISTENERS[command].flatMap((name) => [OPTIONS[name], listen[name] ?? onLoopback(name)]),
      ...DEFAULTS[command],
      ...args,
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  running.add(child);
  child.stdout.on('data', lines((line) => log.append(line)));
  child.stderr.on('data', lines((line) => log.append(line)));
  child.once('error', (failure) => log.append(`could not start: ${failure.message}`));
  const exited = new Promise((done) => {
    child.once('exit', (code, signal) => {
      running.delete(child);
      log.append(`exited code=${code} signal=${signal}`);
      done({ code, signal });
    });
  });

  const server = { pid: child.pid, log, stop: () => end('SIGTERM'), kill: () => end('SIGKILL') };
  async function end(signal) {
    child.kill(signal);
    return bounded(`the server to exit after ${signal}; ${log.describe()}`, exited, 10000).catch((failure) => {
      child.kill('SIGKILL');
      throw failure;
    });
  }

  try {
    const addresses = {};
    for (const name of LISTENERS[command]) addresses[name] = await listening(log, name);
    server.port = Number(addresses.public?.split(':').pop());
    server.url = `http://${addresses.public}`;
    server.adminUrl = `http://${addresses.admin}`;
    server.turnAddress = addresses.turn;
    // Said before the address of UDP and TCP.
    const tls = log.all((line) => LISTENING.exec(line)?.[1] === 'turn-tls')[0];
    server.turnTlsAddress = tls && LISTENING.exec(tls)[2];
  } catch (failure) {
    child.kill('SIGKILL');
    throw failure;
  }
  return server;
}

async function listening(log, name) {
  const isListening = (line) => LISTENING.exec(line)?.[1] === name;
  const isEnd = (line) => line.startsWith('exited') || line.startsWith('could not start');
  const line = await log.until(`\`listening name=${name}\` in the log`, (l) => isListening(l) || isEnd(l), {
    within: 10000,
  });
  if (isEnd(line)) throw new Error(`the server ended before it listened; ${log.describe()}`);
  return LISTENING.exec(line)[2];
}

/** The value of a metric, or 0. */
export async function metric(server, name) {
  const text = await (await fetch(`${server.adminUrl}/metrics`)).text();
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `));
  return line ? Number(line.split(' ')[1]) : 0;
}

/** Splits a stream of chunks into lines without colours. */
function lines(take) {
  let rest = '';
  return (chunk) => {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop();
    parts.forEach((part) => take(part.replace(ANSI, '')));
  };
}
