// Bounds for promises that have none of their own, and the only two ways to let time pass.

import { setTimeout as sleep } from 'node:timers/promises';

export async function bounded(what, promise, within = 5000) {
  const failure = new Error();
  let timer;
  const timeout = new Promise((_, reject) => {
    timer = setTimeout(() => {
      failure.message = `waited ${within} ms for ${what}`;
      reject(failure);
    }, within);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Asks `probe` again and again until its answer is accepted: for state that announces no change,
 * such as a counter inside a page.
 */
export async function eventually(what, probe, accept = Boolean, { within = 5000, every = 50 } = {}) {
  const failure = new Error();
  const end = Date.now() + within;
  for (;;) {
    const answer = await probe();
    if (accept(answer)) return answer;
    if (Date.now() >= end) {
      failure.message = `waited ${within} ms for ${what}; last seen: ${JSON.stringify(answer)}`;
      throw failure;
    }
    await sleep(every);
  }
}

/**
 * Lets time pass. Only for the two things that cannot be awaited: an outage of a given length, and
 * the proof that something does *not* happen.
 */
export const letPass = (milliseconds) => sleep(milliseconds);
