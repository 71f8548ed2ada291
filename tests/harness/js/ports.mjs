// Ports for servers that come back where they were.

import net from 'node:net';

import { bounded } from './bounded.mjs';

// Below the range from which the system hands out ports (32768 up on Linux, 49152 up elsewhere):
// one that was freed for a restart there may be somebody else's by then.
const FIRST = 20000;
const COUNT = 10000;
const TRIES = 100;

/** A port that is free now and that nobody is given by chance. */
export async function lastingPort() {
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port among ${TRIES} from ${FIRST} to ${FIRST + COUNT - 1}`);
}

async function isFree(port) {
  const listener = net.createServer();
  const listens = new Promise((done) => {
    listener.once('error', () => done(false)).once('listening', () => done(true));
  });
  listener.listen(port, '127.0.0.1');
  if (!(await bounded(`port ${port} to listen`, listens))) return false;
  await bounded(`port ${port} to be free again`, new Promise((done) => listener.close(done)));
  return true;
}
