// The tutorial's code in Chromium, as it stands on the page: each step's files are what the page says up to there.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';

import { bounded, eventually } from '../harness/js/bounded.mjs';
import { errorsOf, launchChromium, openPage } from '../harness/js/chromium.mjs';
import { lastingPort } from '../harness/js/ports.mjs';
import { scope } from '../harness/js/scope.mjs';
import { startServer } from '../harness/js/server.mjs';

const LIMIT = { timeout: 90000 };
const TUTORIAL = new URL('../../services/signal/web/docs/tutorial.md', import.meta.url);
const BLOCK = /```(?:js|html)\n(?:\/\/ |<!-- )([\w-]+\.\w+)(, at the end)?(?: -->)?\n([\s\S]*?)```/g;

let browser;
let steps;
before(async () => {
  const page = await readFile(TUTORIAL, 'utf8');
  steps = [...page.matchAll(BLOCK)].map(([, file, isMore, code]) => ({ file, isMore, code }));
  browser = await launchChromium();
});
after(() => browser?.close());

/** The files as a reader has them who has come to the first step whose code has these words. */
function filesUpTo(words, nodeUrl) {
  const last = steps.findIndex(({ code }) => code.includes(words));
  assert.notEqual(last, -1, `the tutorial has a step with ${words}`);
  const files = new Map();
  for (const { file, isMore, code } of steps.slice(0, last + 1)) {
    files.set(file, `${(isMore && files.get(file)) || ''}${code}`.replaceAll('http://localhost:8080', nodeUrl));
  }
  return files;
}

async function serve(files) {
  const listener = createServer((request, response) => {
    const name = new URL(request.url, 'http://site').pathname.slice(1);
    response.statusCode = files.has(name) ? 200 : 204;
    response.setHeader('content-type', name.endsWith('.js') ? 'text/javascript' : 'text/html; charset=utf-8');
    response.end(files.get(name));
  });
  listener.listen(0, '127.0.0.1');
  await bounded('the pages’ server to listen', new Promise((done) => listener.once('listening', done)));
  return {
    url: `http://127.0.0.1:${listener.address().port}/`,
    close() {
      listener.closeAllConnections();
      return bounded('the pages’ server to close', new Promise((done) => listener.close(done)));
    },
  };
}

/** A node, the files up to a step, and a way to open them. */
async function startStep(t, words, change = () => {}) {
  const { own } = scope(t);
  const port = await lastingPort();
  const start = async () => own(await startServer({ command: 'dev', port }), (s) => s.stop());
  const server = await start();
  const files = filesUpTo(words, server.url);
  change(files);
  const site = own(await serve(files));
  const open = async (path) => {
    const opened = own(await openPage(browser, path));
    await opened.page.goto(site.url + path);
    const reads = (expected, within = 15000) =>
      eventually(`${path} to read ${expected}`, () => opened.page.textContent('#log'), (log) => log.includes(expected), {
        within,
      });
    return { ...opened, reads };
  };
  return { server, start, open };
}

test('discovery: Bob reads that Sue comes, is loaded anew, and goes', LIMIT, async (t) => {
  const { open } = await startStep(t, 'await sue.announce');
  const bob = await open('bob.html');
  await bob.reads('and there are 0 others');
  const sue = await open('sue.html');
  await sue.reads('and there are 1 others');
  await bob.reads('Sue has joined');
  await sue.page.reload();
  await bob.reads('Sue has left\nSue has joined');
  await sue.page.close();
  await bob.reads('Sue has left\nSue has joined\nSue has left');
  assert.deepEqual(errorsOf(bob), []);
});

test('handshaking: nobody is there, Sue will talk, or is busy', LIMIT, async (t) => {
  const { open } = await startStep(t, 'event.decline');
  const bob = await open('bob.html');
  await bob.reads('nobody will talk: no-match');
  const sue = await open('sue.html');
  await bob.page.reload();
  await bob.reads('Sue will talk');
  await sue.reads('Bob asks');
  await sue.page.close();
  await open('sue.html#busy');
  await bob.page.reload();
  await bob.reads('nobody will talk: declined (I am busy)');
});

test('SDP: they write to each other, and Sue sees Bob', LIMIT, async (t) => {
  const { open } = await startStep(t, 'sendCamera');
  const sue = await open('sue.html');
  const bob = await open('bob.html');
  await bob.reads('the coupling is active');
  await bob.reads('Sue says: Hello yourself!');
  const seconds = () => sue.page.evaluate(() => document.querySelector('video').currentTime);
  await eventually('the picture to move', seconds, (at) => at > 0.5, { within: 15000 });
  assert.deepEqual(errorsOf(bob), []);
  assert.deepEqual(errorsOf(sue), []);
});

test('ICE: Bob reads the candidates and the path, and over the relay too', LIMIT, async (t) => {
  const { open } = await startStep(t, 'icecandidatepair', (files) => {
    const plain = 'createConnection({ signaller: bob })';
    const relayed = files.get('bob.js').replace(plain, "createConnection({ signaller: bob, iceTransportPolicy: 'relay' })");
    files.set('relayed.js', relayed);
    files.set('relayed.html', files.get('bob.html').replace('bob.js', 'relayed.js'));
  });
  await open('sue.html');
  const bob = await open('bob.html');
  await bob.reads('the servers are stun:');
  await bob.reads('that was the last candidate');
  await bob.reads(', direct');
  await bob.page.close();
  const relayed = await open('relayed.html');
  await relayed.reads(', over a relay');
});

test('failures and losses: Bob reads what is wrong, and a call goes on while the node is away', LIMIT, async (t) => {
  const { server, start, open } = await startStep(t, 'signalling is');
  const bob = await open('bob.html');
  await bob.reads('Sue is not here yet.');
  await open('sue.html');
  await bob.page.reload();
  await bob.reads('Sue says: Hello yourself!');
  await server.stop();
  await bob.reads('signalling is reconnecting');
  await start();
  await bob.reads('signalling is announced');
});

test('ids: the second page is told that somebody else is Ann', LIMIT, async (t) => {
  const { open } = await startStep(t, 'export const ann', (files) => {
    files.set('ann.html', files.get('bob.html').replace('bob.js', 'ann.js').replace('Bob', 'Ann'));
  });
  const first = await open('ann.html');
  await eventually('the first to be Ann', () => first.page.evaluate(async () => {
    const { ann } = await import('./ann.js');
    return ann.state;
  }), (state) => state === 'announced');
  const second = await open('ann.html');
  await eventually('the second not to be', () => second.page.title(), (title) => title === 'Somebody else is Ann');
  assert.equal(await first.page.title(), 'Ann');
});
