// What is said to everybody in the room: numbered, and kept only until there is a connection. No I/O.

const MOST_WAITING = 256;

export class Broadcasts {
  #next = 1;
  #waiting = [];

  /** False where too many wait. */
  add(body) {
    if (this.#waiting.length >= MOST_WAITING) return false;
    this.#waiting.push(body);
    return true;
  }

  /** The frames for what waits, which does no longer. */
  frames() {
    return this.#waiting.splice(0).map((body) => ({ type: 'broadcast', n: this.#next++, body }));
  }

  /** A new session counts from 1. */
  renew() {
    this.#next = 1;
  }

  drop() {
    this.#waiting.length = 0;
  }
}
