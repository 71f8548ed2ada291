// Pages with unmodified rtc-quickconnect in a browser behind each router, and which way their packets take.

import { fileURLToPath } from 'node:url';

import { CHROMIUM, errorsOf, launchChromium, openPage } from '../harness/js/chromium.mjs';
import { eventually } from '../harness/js/bounded.mjs';
import { SIDES } from './lab.mjs';

/** A browser on each side: `{ a, b }`. */
export async function launchBoth(own, args = []) {
  const launch = (side) =>
    launchChromium({
      executablePath: fileURLToPath(new URL('chromium', import.meta.url)),
      env: { TEST_CHROMIUM: CHROMIUM, TEST_HOST: SIDES[side].host },
      args,
    });
  const [a, b] = await Promise.all([launch('a'), launch('b')]);
  return { a: own(a), b: own(b) };
}

/** Runs inside a page: what is known of its last connection. */
async function readConnection() {
  const connection = connections.at(-1);
  if (!connection) return { state: 'none' };
  const reports = [...(await connection.getStats()).values()];
  const find = (wanted) => reports.find(({ id }) => id === wanted);
  const end = (id) => {
    const { candidateType, relayProtocol = null, protocol } = find(id) ?? {};
    return candidateType && { type: candidateType, relayProtocol, protocol };
  };
  const candidates = (type) => reports.filter((report) => report.type === type).map((report) => report.candidateType);
  const total = (key) =>
    reports.filter(({ type }) => type === 'candidate-pair').reduce((sum, report) => sum + report[key], 0);
  const pair = find(reports.find(({ type }) => type === 'transport')?.selectedCandidatePairId);
  return {
    state: connection.iceConnectionState,
    local: pair && end(pair.localCandidateId),
    remote: pair && end(pair.remoteCandidateId),
    received: pair?.bytesReceived ?? 0,
    checks: total('requestsSent'),
    answers: total('responsesReceived'),
    offered: candidates('local-candidate'),
    heardOf: candidates('remote-candidate'),
  };
}

/** A page on each side, in which nobody has announced itself yet. */
export async function openBoth(own, browsers, site) {
  const open = async (browser, name) => {
    const opened = own(await openPage(browser, name));
    await opened.page.goto(site.url);
    return {
      ...opened,
      async join(signalhost, room, iceHost = signalhost) {
        this.id = await opened.page.evaluate((args) => join(...args), [signalhost, room, 'all', iceHost]);
      },
      connection: () => opened.page.evaluate(`(${readConnection})()`),
      errors: () => errorsOf(opened),
    };
  };
  return Promise.all([open(browsers.a, 'Ann'), open(browsers.b, 'Bob')]);
}

/**
 * Once both have said something to the other and heard it again, the milliseconds since the first of them announced
 * itself, by the clock of the pages: how long the test took to hear of it is of no concern.
 */
export async function untilEchoed(ann, bob, { within = 30000 } = {}) {
  const echo = async (from, to) => {
    await from.journal.until(`an open channel to ${to.name}`, ({ open }) => open === to.id, { within });
    await from.page.evaluate(([peer, text]) => say(peer, text), [to.id, `echo of ${from.name}`]);
    const isEcho = (entry) => entry.from === to.id && entry.text === `echoed of ${from.name}`;
    return from.journal.until('the echo', isEcho, { within });
  };
  const echoes = await Promise.all([echo(ann, bob), echo(bob, ann)]);
  const announces = [ann, bob].map(({ journal }) => journal.all(({ event }) => event === 'local:announce')[0].at);
  return Math.max(...echoes.map(({ at }) => at)) - Math.min(...announces);
}

/** How a page's packets leave: `direct`, or the transport by which it reaches its relay. */
export const wayOut = ({ local }) => (local?.type === 'relay' ? local.relayProtocol : 'direct');

/** Whether a relay is at either end of a page's pair. */
export const isRelayed = ({ local, remote }) => [local, remote].some((end) => end?.type === 'relay');

/** The selected pairs of both pages, once they are as expected. */
export async function untilPairs(ann, bob, accept) {
  const read = () => Promise.all([ann.connection(), bob.connection()]);
  return eventually('the pairs that are expected', read, (both) => both.every(({ local }) => local) && accept(both));
}
