// The compose file at the top of the tree: what it says, and a cluster that it has started.

import { join } from 'node:path';

import { WebSocket } from 'ws';

import { bounded } from '../harness/js/bounded.mjs';
import { docker, ENV, execute, ROOT } from './engine.mjs';

const COMPOSE = join(ROOT, 'target/tools/bin/docker-compose');

export const compose = (args, { within = 120000, env = {} } = {}) =>
  execute(COMPOSE, args, { within, env: { ...ENV, ...env } });

/** What Compose makes of the file, with these variables. */
export const configured = async (env) => JSON.parse(await compose(['config', '--format', 'json'], { env }));

/** Nothing is pulled and nothing built: what the file names is here. */
export const up = (...args) => compose(['up', '--detach', '--wait', '--wait-timeout', '90', '--pull', 'never', '--no-build', ...args]);
export const down = () => compose(['down', '--volumes', '--timeout', '1']);

/** The containers of a service. */
export async function containers(service) {
  const ids = (await compose(['ps', '--quiet', service])).trim().split('\n').filter(Boolean);
  return ids.length === 0 ? [] : JSON.parse(await docker('inspect', ...ids));
}

export const addressOf = (container, network = 'trunkline_cluster') => container.NetworkSettings.Networks[network].IPAddress;

/** The container of each signalling node, by the name that the node gives itself. */
export async function nodes() {
  const running = await containers('signal');
  const named = await Promise.all(running.map(async (container) => [await nameOf(container), container]));
  return new Map(named);
}

/** The node says it in its answer to hello. */
async function nameOf(container) {
  const socket = new WebSocket(`ws://${addressOf(container)}:8080/v1/connect`);
  try {
    const answer = new Promise((done, fail) => {
      socket.once('message', (data) => done(JSON.parse(data)));
      socket.once('error', fail);
      socket.once('open', () => socket.send(JSON.stringify({ type: 'hello', v: 1 })));
    });
    return (await bounded(`the welcome of ${container.Name}`, answer)).node;
  } finally {
    socket.terminate();
  }
}

/** What to look at when something did not come about. */
export const logs = () => compose(['logs', '--no-color', '--tail', '40']);
