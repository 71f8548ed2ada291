// The demo page's perfect negotiation where it is hard: both sides offer at the same time, over the relay alone, where
// a candidate that is lost is a call that is lost.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { eventually } from '../harness/js/bounded.mjs';
import { launchChromium, openPage } from '../harness/js/chromium.mjs';
import { scope } from '../harness/js/scope.mjs';
import { startServer } from '../harness/js/server.mjs';
import { openTwoCalls } from '../harness/js/two-calls.mjs';

const LIMIT = { timeout: 90000 };

let browser;
before(async () => {
  browser = await launchChromium();
});
after(() => browser?.close());

/** Both ends of a call in a page, and the relay that both use, which can be stopped where it is. */
async function twoCalls(t) {
  const { own } = scope(t);
  const server = own(await startServer({ command: 'dev' }), (s) => (thaw(), s.stop()));
  const { page } = own(await openPage(browser, 'both'));
  await page.goto(server.url);
  const freeze = () => process.kill(server.pid, 'SIGSTOP');
  function thaw() {
    process.kill(server.pid, 'SIGCONT');
  }
  return { ...(await openTwoCalls(page)), freeze, thaw };
}

/** Waits until of what `to` is to be told this is there. */
const untilWaiting = (calls, to, kind) =>
  eventually(`${kind} for the ${to} side`, calls.look, (seen) => seen[to].waiting.includes(kind), { within: 15000 });

/** Everything arrives, and both see each other. */
async function untilBothSee(calls) {
  await calls.letThrough();
  const seesMuch = ({ state, frames }) => state === 'connected' && frames > 5;
  const done = (seen) => seesMuch(seen.impolite) && seesMuch(seen.polite);
  return eventually('both sides to see each other', calls.look, done, { within: 20000, every: 100 });
}

/**
 * The first offer has been answered, and the polite side has made an offer of its own before its relay told it of a
 * candidate: so that no description which it writes later has that candidate in it. Nothing has been delivered to the
 * impolite side.
 */
async function untilOfferOverAnswer(t) {
  const calls = await twoCalls(t);
  await untilWaiting(calls, 'polite', 'end');
  calls.freeze();
  await calls.deliver('polite');
  await untilWaiting(calls, 'impolite', 'answer');
  await calls.openCamera('polite');
  await untilWaiting(calls, 'impolite', 'offer');
  const { impolite } = await calls.look();
  assert.deepEqual(impolite.waiting, ['answer', 'offer']);
  return calls;
}

async function deliverCandidates(calls) {
  calls.thaw();
  await untilWaiting(calls, 'impolite', 'end');
  assert.ok((await calls.deliver('impolite', ['/candidate'])) >= 2, 'a candidate and the end');
}

test('candidates that come after an offer that is ignored are not lost', LIMIT, async (t) => {
  const calls = await untilOfferOverAnswer(t);
  await calls.deliver('impolite', ['/description'], 1);
  await eventually('the answer to be taken', calls.look, ({ impolite }) => impolite.signalingState === 'stable');
  await calls.openCamera('impolite');
  await untilWaiting(calls, 'polite', 'offer');
  await calls.deliver('impolite');
  await deliverCandidates(calls);
  await untilBothSee(calls);
});

test('candidates that came before an offer that is ignored are not lost', LIMIT, async (t) => {
  const calls = await untilOfferOverAnswer(t);
  assert.equal(await calls.lose('impolite'), 2, 'the answer and the offer');
  await deliverCandidates(calls);
  // Signalling is back: both say again what may have been lost.
  await calls.nudge('polite');
  await untilWaiting(calls, 'impolite', 'offer');
  await calls.deliver('impolite');
  await calls.nudge('impolite');
  await calls.openCamera('impolite');
  await untilBothSee(calls);
});
