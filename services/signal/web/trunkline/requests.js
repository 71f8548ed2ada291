// Questions for peers that will talk: our own until they are answered, and what we have answered to others. No I/O.

import { because, SignallingError, tooLong } from './errors.js';
import { isLonger, MOST_DATA_BYTES } from './frames.js';

// Below five seconds together: by then whoever asks knows why not, also where the node died that was to answer.
export const DEFAULT_TIMEOUT_MS = 4000;
const SLACK_MS = 500;
const LONGEST_TIMEOUT_MS = 60000; // a node takes no longer one
const MOST_OWN = 1024; // that are not answered
const MOST_ANSWERS = 256;
const MOST_REASON = 80; // characters, of which each may have three bytes

/** Half a character is none, and a node would not understand the frame. */
const wellFormed = (text) => text.replace(/\p{Surrogate}/gu, '\ufffd');

export class Requests {
  #own = new Map(); // id → { wanted, until, ends, ignore }
  #others = new Map(); // `id from` → the answer, or null while there is none
  #unsaid = []; // answers to others, for the next connection

  /** False where nobody is to be asked: whoever asks has lost interest already, or has asked for what cannot be. */
  ask({ id, wanted, ends, timeout = DEFAULT_TIMEOUT_MS, signal }, now) {
    if (signal?.aborted) {
      ends.reject(signal.reason);
      return false;
    }
    if (wanted.match && isLonger(wanted.match, MOST_DATA_BYTES)) {
      ends.reject(tooLong('what a request matches', MOST_DATA_BYTES));
      return false;
    }
    if (this.#own.size >= MOST_OWN) {
      ends.reject(because('overloaded'));
      return false;
    }
    const until = now + Math.min(Math.max(1, timeout), LONGEST_TIMEOUT_MS);
    const abort = () => this.#take(id).ends.reject(signal.reason);
    signal?.addEventListener('abort', abort);
    this.#own.set(id, { wanted, until, ends, ignore: () => signal?.removeEventListener('abort', abort) });
    return true;
  }

  /** One that waits no longer, nor for being taken back. */
  #take(id) {
    const request = this.#own.get(id);
    this.#own.delete(id);
    request?.ignore();
    return request;
  }

  /** The frame for one: what is left of its time goes along. */
  frame(id, now) {
    const { wanted, until } = this.#own.get(id);
    return { type: 'request', id, ...wanted, timeout_ms: Math.max(1, Math.ceil(until - now)) };
  }

  /** What is to be said on a new connection: those that are not answered, and answers that found no connection. */
  frames(now) {
    return [...[...this.#own.keys()].map((id) => this.frame(id, now)), ...this.#unsaid.splice(0)];
  }

  answered({ id, ok, peer, data, reason, message }) {
    const request = this.#take(id);
    if (!request) return;
    if (ok) request.ends.resolve({ id: peer, data });
    else request.ends.reject(new SignallingError({ reason: reason ?? 'unreachable', message, peer }));
  }

  /**
   * What to do about a question of another peer's: 'ask' those who listen, 'wait' for them, or say the answer again that
   * was given, since the first one may be lost.
   */
  heard(from, id) {
    const key = `${id} ${from}`;
    if (!this.#others.has(key)) {
      this.#others.set(key, null);
      if (this.#others.size > MOST_ANSWERS) this.#others.delete(this.#others.keys().next().value);
      return 'ask';
    }
    return this.#others.get(key) ?? 'wait';
  }

  accept(from, id) {
    return this.#answer({ type: 'accept', from, id });
  }

  decline(from, id, reason) {
    const words = reason && wellFormed(String(reason).slice(0, MOST_REASON));
    return this.#answer({ type: 'decline', from, id, reason: words });
  }

  /** The first answer counts. Gives its frame, or null for another one. */
  #answer(frame) {
    const key = `${frame.id} ${frame.from}`;
    if (this.#others.get(key)) return null;
    this.#others.set(key, frame);
    return frame;
  }

  /** There is no connection for an answer. */
  keep(frame) {
    this.#unsaid.push(frame);
  }

  deadline() {
    let first = Infinity;
    for (const { until } of this.#own.values()) first = Math.min(first, until + SLACK_MS);
    return first;
  }

  /** Ends what has waited too long: for a peer, or, where there is no connection, for a node. */
  expire(now, isConnected) {
    for (const [id, { until }] of this.#own) {
      if (until + SLACK_MS <= now) this.#take(id).ends.reject(because(isConnected ? 'timeout' : 'unreachable'));
    }
  }

  giveUp(error) {
    for (const id of [...this.#own.keys()]) this.#take(id).ends.reject(error);
    this.#unsaid.length = 0;
  }
}
