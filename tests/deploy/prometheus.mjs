// A Prometheus with the rules of deploy/ that scrapes processes of the test's.

import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { bounded, eventually } from '../harness/js/bounded.mjs';
import { lastingPort } from '../harness/js/ports.mjs';
import { ROOT } from './engine.mjs';

const WORK = process.env.TEST_WORK;

/** `jobs` has the targets of each: `{ signal: ['127.0.0.1:1'] }`. */
export async function startPrometheus(jobs) {
  const port = await lastingPort();
  const config = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [join(ROOT, 'deploy/prometheus/rules/*.yml')],
    scrape_configs: Object.entries(jobs).map(([name, targets]) => ({ job_name: name, static_configs: [{ targets }] })),
  };
  // JSON is YAML.
  const file = join(WORK, 'prometheus.json');
  await writeFile(file, JSON.stringify(config));
  const child = spawn(
    'prometheus',
    [`--config.file=${file}`, `--storage.tsdb.path=${join(WORK, 'metrics')}`, `--web.listen-address=127.0.0.1:${port}`],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  process.once('exit', () => child.kill('SIGKILL'));
  const wrote = [];
  child.stderr.on('data', (chunk) => wrote.push(`${chunk}`));
  const exited = new Promise((done) => child.once('exit', done).once('error', done));
  const url = `http://127.0.0.1:${port}`;
  const isReady = () => fetch(`${url}/-/ready`).then(({ ok }) => ok || wrote.slice(-1), () => wrote.slice(-1));
  await eventually('Prometheus to be ready', isReady, (answer) => answer === true, { within: 20000 });

  const ask = async (path) => {
    const answer = await (await fetch(`${url}/api/v1/${path}`, { signal: AbortSignal.timeout(5000) })).json();
    if (answer.status !== 'success') throw new Error(`${decodeURIComponent(path)}: ${answer.error}`);
    return answer.data;
  };
  return {
    query: async (text) => (await ask(`query?query=${encodeURIComponent(text)}`)).result,
    rules: async () => (await ask('rules')).groups.flatMap(({ rules }) => rules),
    close() {
      child.kill('SIGTERM');
      return bounded('Prometheus to end', exited, 10000);
    },
  };
}
