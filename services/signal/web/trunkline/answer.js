// The side that is asked: each request becomes a coupling, with a connection that the page makes for it.

import { Coupling } from './couple.js';

/**
 * `handler` is given `{ id, data }` of who asks, and gives a connection to take the request with, or nothing to decline it;
 * or a promise of either. What it throws declines too: with `reason`, where that has one.
 *
 * Tells `coupling`, with the coupling as detail, for each that begins.
 */
export function answer(signaller, handler) {
  return new Answering(signaller, handler);
}

export class Answering extends EventTarget {
  #signaller; #handler;
  #refused = new Set(); // peers of old dialects, which ask until they are heard
  #ended = new AbortController();

  constructor(signaller, handler) {
    super();
    this.#signaller = signaller;
    this.#handler = handler;
    signaller.desk.answering = this;
    const { signal } = this.#ended;
    signaller.addEventListener('left', ({ detail }) => this.#refused.delete(detail.id), { signal });
  }

  /** From now on requests are taken without anything becoming of them. */
  close() {
    this.#ended.abort();
    if (this.#signaller.desk.answering === this) this.#signaller.desk.answering = null;
  }

  /** For the desk. An old peer has no request, and so no event that could be answered. */
  async asked(from, id, event) {
    if (id === null && this.#refused.has(from.id)) return this.#decline(from, id, event);
    try {
      const pc = await this.#handler(from);
      if (!pc) return this.#decline(from, id, event);
      event?.accept();
      const coupling = new Coupling(pc, this.#signaller);
      // Before it begins, so that nothing of it is missed.
      this.dispatchEvent(new CustomEvent('coupling', { detail: coupling }));
      return coupling.begin(from, id);
    } catch (error) {
      // What went wrong in this page is nothing for others.
      return this.#decline(from, id, event, error?.reason);
    }
  }

  #decline(from, id, event, reason) {
    event?.decline(reason);
    if (id === null) this.#refused.add(from.id);
    this.#signaller.desk.declined(from.id, id);
  }
}
