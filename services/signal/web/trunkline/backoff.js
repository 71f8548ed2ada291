// How long to wait before a connection is tried again.

const FIRST_MS = 100;
const IN_WINDOW_MS = 1000;
const LONGEST_MS = 30000;

/**
 * Full jitter, so that those who lost a node together do not come back together. While the window runs in which nobody is
 * told that we have left, a second at most; afterwards there is no hurry.
 *
 * `attempt` counts from 0 since the loss, `outage` is the time since then.
 */
export function retryDelay({ attempt, outage, windowMs, random }) {
  const grown = FIRST_MS * 2 ** Math.min(attempt, 20);
  return random() * Math.min(grown, outage < windowMs ? IN_WINDOW_MS : LONGEST_MS);
}
