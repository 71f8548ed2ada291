// A page with unmodified rtc-quickconnect 8.0.0, and the server that serves it.

import { createServer } from 'node:http';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

import { bounded } from './bounded.mjs';

const HERE = fileURLToPath(new URL('.', import.meta.url));

/** Serves the page from a port of its own: what its scripts ask for goes to the server under test. */
export async function serveQuickconnect({ host = '127.0.0.1', port = 0 } = {}) {
  const script = await bundle();
  const html = await readFile(join(HERE, 'quickconnect.html'));
  const listener = createServer((request, response) => {
    const isScript = request.url === '/quickconnect.js';
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html; charset=utf-8');
    response.end(isScript ? script : html);
  });
  listener.listen(port, host);
  await bounded('the page’s server to listen', new Promise((done) => listener.once('listening', done)));
  return {
    url: `http://${host}:${listener.address().port}/`,
    close() {
      listener.closeAllConnections();
      return bounded('the page’s server to close', new Promise((done) => listener.close(done)));
    },
  };
}

/** quickconnect as a browser script: it was made for browserify, which supplied what is added here. */
async function bundle() {
  const directory = await mkdtemp(join(tmpdir(), 'quickconnect-'));
  try {
    const write = async (name, text) => {
      await writeFile(join(directory, name), text);
      return join(directory, name);
    };
    const entry = await write('entry.js', "window.quickconnect = require('rtc-quickconnect');\n");
    // In a browser messenger-ws uses the window's WebSocket and never gets as far as `ws`.
    const nothing = await write('nothing.js', 'module.exports = undefined;\n');
    const process = await write(
      'process.js',
      `export let process = {
        nextTick: (run, ...args) => Promise.resolve().then(() => run(...args)),
        env: {},
        browser: true,
      };\n`,
    );
    const { outputFiles } = await build({
      entryPoints: [entry],
      bundle: true,
      write: false,
      platform: 'browser',
      nodePaths: [fileURLToPath(new URL('../../node_modules', import.meta.url))],
      alias: { ws: nothing },
      inject: [process],
      define: { global: 'globalThis' },
      logLevel: 'error',
    });
    return outputFiles[0].text;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
