// Pages with the browser library, each a peer in a room, and what they are told.

import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { bounded } from './bounded.mjs';
import { openPage } from './chromium.mjs';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const WEB = fileURLToPath(new URL('../../../services/signal/web/', import.meta.url));

/** Serves the page and the library as they are in the tree, from a port of its own. */
export async function serveLibrary() {
  const listener = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://site');
    const isLibrary = /^\/trunkline(\.js|\/[\w-]+\.js)$/.test(pathname);
    response.setHeader('content-type', isLibrary ? 'text/javascript' : 'text/html; charset=utf-8');
    response.end(await readFile(isLibrary ? join(WEB, pathname) : join(HERE, 'library.html')));
  });
  listener.listen(0, '127.0.0.1');
  await bounded('the page’s server to listen', new Promise((done) => listener.once('listening', done)));
  return {
    url: `http://127.0.0.1:${listener.address().port}/`,
    close() {
      listener.closeAllConnections();
      return bounded('the page’s server to close', new Promise((done) => listener.close(done)));
    },
  };
}

/**
 * A page with a signaller at `url`, which has announced its name. `answers` is what becomes of requests: `yes`, `no`, or
 * `later`, when the page calls `decide`; without it, the library does what it does by itself.
 */
export async function openMember(own, browser, site, url, { name, room, id, answers, isOpenOnly = false }) {
  const member = own(await openPage(browser, name));
  await member.page.goto(site.url);
  return Object.assign(member, await memberOf(member, url, { name, room, id, answers }));
}

/** Makes the page, which may have been loaded anew, a peer. */
export async function memberOf({ page, journal }, url, { name, room, id, answers }) {
  await page.waitForFunction(() => window.enter !== undefined, undefined, { timeout: 10000 });
  const from = journal.mark();
  const options = { url, name, room, id, answers };
  await bounded(`${name} to begin`, page.evaluate((given) => window.enter(given), options), 10000);
  await journal.until('its announce to be answered', ({ announced, refused }) => announced ?? refused, { from, within: 10000 });
  return { id: await page.evaluate(() => peer.id) };
}

/** Waits for an event of the signaller. */
export const untilTold = ({ journal }, type, matches = () => true, options = {}) =>
  journal.until(`event ${type}`, (entry) => entry.event === type && matches(entry), options);

/** Waits for a coupling to be in a state. */
export const untilState = ({ journal }, state, options = {}) =>
  journal.until(`a coupling that is ${state}`, (entry) => entry.coupling === 'statechange' && entry.state === state, {
    within: 15000,
    ...options,
  });

/** Couples, with a data channel. */
export const call = ({ page }, match, options) => page.evaluate(([m, o]) => callPeer(m, o), [match, options]);

/** A word there and back on the data channel. */
export async function assertTalk(from, to, text) {
  const mark = from.journal.mark();
  await from.page.evaluate((words) => talk(words), text);
  await from.journal.until(`the echo of ${text} from ${to.name}`, ({ echoed }) => echoed === text, {
    from: mark,
    within: 15000,
  });
}

/** What a member was told, of these kinds. */
export const told = ({ journal }, ...types) => journal.all(({ event }) => types.includes(event));
