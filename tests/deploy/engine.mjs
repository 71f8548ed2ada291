// A Docker engine of the test's own, and the images that docker-compose.yml names.

import { execFile, spawn } from 'node:child_process';
import { copyFile, mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { bounded, eventually } from '../harness/js/bounded.mjs';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const HERE = fileURLToPath(new URL('.', import.meta.url));
const WORK = process.env.TEST_WORK;
if (WORK === undefined) throw new Error('run it by tests/deploy/run, which gives it a network of its own');

// Debian's has BuildKit built in; others may come first.
const DOCKER = '/usr/bin/docker';
const SOCKET = `unix://${WORK}/docker.sock`;
export const ENV = { ...process.env, DOCKER_HOST: SOCKET, DOCKER_BUILDKIT: '1' };
// Debian 12 by mmdebstrap, which `tests/run` keeps.
const BASE = join(ROOT, 'target/deploy/base.tar');

const executed = promisify(execFile);

/** What a command wrote; rejects with that too when it ends badly or takes too long. */
export async function execute(command, args, { within = 60000, ...options } = {}) {
  try {
    const { stdout } = await executed(command, args, { timeout: within, maxBuffer: 64e6, env: ENV, cwd: ROOT, ...options });
    return stdout;
  } catch (failure) {
    throw new Error(`${command} ${args.join(' ')}: ${failure.code ?? failure.signal}\n${failure.stdout}\n${failure.stderr}`);
  }
}

export const docker = (...args) => execute(DOCKER, args, { within: 120000 });

export async function startEngine() {
  const wrote = [];
  const child = spawn(
    'dockerd',
    [
      ...['--data-root', `${WORK}/data`, '--exec-root', '/run/docker', '--pidfile', '/run/docker.pid', '--host', SOCKET],
      // By which they are found when this process could not end its containers.
      ...['--cgroup-parent', `/${basename(WORK)}`],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => wrote.push(`${chunk}`));
  const exited = new Promise((done) => child.once('exit', done).once('error', (failure) => done(wrote.push(`${failure}`))));
  const isUp = () => docker('info').then(() => true, () => child.exitCode !== null && 'ended');
  const isEnd = await eventually('the engine to answer', isUp, Boolean, { within: 30000, every: 100 });
  if (isEnd === 'ended') throw new Error(`dockerd ended:\n${wrote.join('')}`);
  return {
    close() {
      child.kill('SIGTERM');
      return bounded('dockerd to end', exited, 30000);
    },
  };
}

/** The image under test, around the binary that was built on this machine, and what stands in for the others. */
export async function makeImages(others) {
  const tree = join(WORK, 'stand-ins');
  await execute(join(HERE, 'stand-ins'), [tree]);
  const packed = join(WORK, 'stand-ins.tar');
  await execute('tar', ['--directory', tree, '--create', '--file', packed, '.']);
  await docker('import', packed, 'programs');
  const build = join(WORK, 'build');
  await mkdir(build);
  for (const file of ['stand-ins.Dockerfile', 'not-grafana.cfg']) await copyFile(join(HERE, file), join(build, file));
  for (const tag of others) {
    const name = tag.split(':')[0].split('/').pop();
    await docker('build', '--quiet', '--file', join(build, 'stand-ins.Dockerfile'), '--target', name, '--tag', tag, build);
  }
  await docker('import', BASE, 'debian:bookworm-slim');
  await makeImage();
}

async function makeImage() {
  const binary = process.env.TRUNKLINE_BIN ?? join(ROOT, 'target/release/trunkline');
  await mkdir(join(ROOT, 'target/image'), { recursive: true });
  await execute('strip', ['--strip-debug', '-o', join(ROOT, 'target/image/trunkline'), binary]);
  const dockerfile = join(ROOT, 'deploy/docker/Dockerfile');
  await docker('build', '--quiet', '--build-arg', 'BINARY=prebuilt', '--file', dockerfile, '--tag', 'trunkline', ROOT);
}
