// The browser library as others get it: its types, and its package.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

import { scope } from '../harness/js/scope.mjs';

const LIMIT = { timeout: 120000 };
const HERE = fileURLToPath(new URL('.', import.meta.url));
const WEB = fileURLToPath(new URL('../../services/signal/web/', import.meta.url));
const TSC = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url));
const MOST_LINES = 300;

const run = promisify(execFile);

/** What the compiler has to say about a sample: the lines with errors. */
async function errorsIn(sample) {
  const options = ['--noEmit', '--strict', '--target', 'es2022', '--lib', 'es2022,dom', '--module', 'esnext'];
  const resolution = ['--moduleResolution', 'bundler', '--pretty', 'false'];
  const args = [TSC, ...options, ...resolution, join(HERE, sample)];
  const { stdout } = await run(process.execPath, args, { timeout: 60000 }).catch((failure) => failure);
  assert.doesNotMatch(stdout, /^error/m, 'the compiler itself is content');
  return stdout.split('\n').filter((line) => line.includes('error TS'));
}

test('the types allow all that the library is for', LIMIT, async () => {
  assert.deepEqual(await errorsIn('types/right.ts'), []);
});

test('the types refuse what cannot work, line by line', LIMIT, async () => {
  const source = await readFile(join(HERE, 'types/wrong.ts'), 'utf8');
  const marked = source.split('\n').flatMap((line, at) => (line.endsWith('// wrong') ? [at + 1] : []));
  const found = (await errorsIn('types/wrong.ts')).map((line) => Number(/wrong\.ts\((\d+),/.exec(line)[1]));
  assert.deepEqual([...new Set(found)], marked);
});

test('the types name what the library exports, and nothing else', async () => {
  const declared = await readFile(join(WEB, 'trunkline.d.ts'), 'utf8');
  const values = [...declared.matchAll(/^export (?:class|function|const) (\w+)/gm)].map(([, name]) => name);
  const library = await import(pathToFileURL(join(WEB, 'trunkline.js')));
  assert.deepEqual([...new Set(values)].sort(), Object.keys(library).sort());
});

test('the package has the library, its types and a page about it, and can be used from there', LIMIT, async (t) => {
  const { own } = scope(t);
  const directory = own(await mkdtemp(join(tmpdir(), 'package-')), (path) => rm(path, { recursive: true }));
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', directory], { cwd: WEB, timeout: 60000 });
  const [{ filename, files }] = JSON.parse(stdout);
  const parts = (await readdir(join(WEB, 'trunkline'))).map((name) => `trunkline/${name}`);
  assert.deepEqual(
    files.map(({ path }) => path).sort(),
    ['README.md', 'package.json', 'trunkline.d.ts', 'trunkline.js', ...parts].sort(),
  );

  await run('tar', ['-xzf', join(directory, filename), '-C', directory], { timeout: 20000 });
  const entry = join(directory, 'package', JSON.parse(await readFile(join(WEB, 'package.json'), 'utf8')).main);
  const { signaller } = await import(pathToFileURL(entry));
  assert.equal(typeof signaller, 'function');
});

test('no file of the library is longer than one can read at a time', async () => {
  for (const name of await readdir(join(WEB, 'trunkline'))) {
    const lines = (await readFile(join(WEB, 'trunkline', name), 'utf8')).split('\n').length - 1;
    assert.ok(lines <= MOST_LINES, `${name} has ${lines} lines`);
  }
});
