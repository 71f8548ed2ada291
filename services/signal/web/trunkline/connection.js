// One WebSocket that comes back by itself, and is not trusted when it says nothing.

import { retryDelay } from './backoff.js';

const OPEN_TIMEOUT_MS = 5000;
const GREETING_TIMEOUT_MS = 5000;
// A network that has lost its way tells nobody. Nodes see to it on their side; browsers do not show us those pings.
const QUIET_MS = 20000;
const PONG_TIMEOUT_MS = 4000;
// Another connection has taken our id, with our token.
const SUPERSEDED = 3502;
const FRESH_MS = 10000;
const REPEAT_MS = 60000;
const PING = '{"type":"ping"}';

export class Connection {
  #url; #events; #make; #clock; #random;
  #socket = null;
  #retry = null; // the timer of the next try
  #watch = null; // the timer of what is expected of this socket
  #attempt = 0;
  #lostAt = null;
  #returnedAt = null;
  #repeatedAt = null;
  #isWanted = true;

  /**
   * `events` are told: `opened()`, `received(text)`, `lost({ code, reason, delay })`, `refused({ code, reason })`, and asked
   * for `windowMs()`, for how long nobody is told that we are gone. `make` makes a WebSocket; `clock` has `now()`,
   * `after(ms, run)` and `cancel(timer)`.
   */
  constructor({ url, events, make, clock, random }) {
    this.#url = url;
    this.#events = events;
    this.#make = make;
    this.#clock = clock;
    this.#random = random;
  }

  get isOpen() {
    return this.#socket?.readyState === 1;
  }

  open() {
    this.#cancel();
    const socket = this.#make(this.#url);
    this.#socket = socket;
    this.#expect(OPEN_TIMEOUT_MS);
    socket.onopen = () => {
      this.#expect(GREETING_TIMEOUT_MS);
      this.#events.opened();
    };
    socket.onmessage = ({ data }) => {
      // Whatever it is, the way is open.
      this.#expectPing();
      if (typeof data === 'string') this.#events.received(data);
    };
    socket.onclose = ({ code, reason }) => this.#closed(code, reason);
    socket.onerror = () => {}; // a close follows
  }

  send(text) {
    if (this.isOpen) this.#socket.send(text);
  }

  /** What we came for has been had: the next loss is a new one. */
  settled() {
    this.#attempt = 0;
    if (this.#lostAt !== null) this.#returnedAt = this.#clock.now();
    this.#lostAt = null;
  }

  /**
   * The page was asleep, or the network is another one: do not wait for the next try, and do not believe a socket that
   * looks open.
   */
  wake() {
    if (!this.#isWanted) return;
    if (this.#retry !== null) this.open();
    else if (this.isOpen) this.#ping();
  }

  /** Another socket in place of this one. */
  replace() {
    if (this.#isWanted) this.#drop(1000, 'another one is to be used');
  }

  close() {
    this.#isWanted = false;
    this.#cancel();
    this.#release()?.close(1000);
  }

  #closed(code, reason) {
    this.#release();
    this.#cancel();
    // Our own last socket may be what the node heard of last: it is not asked to go on, so that once more decides.
    const isOwn = code === SUPERSEDED && this.#isFresh();
    if (isOwn) this.#repeatedAt = this.#clock.now();
    if (code >= 3500 && code <= 3999 && !isOwn) {
      this.#isWanted = false;
      this.#events.refused({ code, reason });
      return;
    }
    const now = this.#clock.now();
    this.#lostAt ??= now;
    const outage = now - this.#lostAt;
    const windowMs = this.#events.windowMs();
    const delay = retryDelay({ attempt: this.#attempt, outage, windowMs, random: this.#random });
    this.#attempt += 1;
    this.#retry = this.#clock.after(delay, () => this.open());
    this.#events.lost({ code, reason, delay });
  }

  /** Whether this socket has taken the place of one that was lost just now, for the first time in a while. */
  #isFresh() {
    const now = this.#clock.now();
    const since = this.#lostAt ?? this.#returnedAt;
    const isNew = this.#repeatedAt === null || now - this.#repeatedAt > REPEAT_MS;
    return isNew && since !== null && now - since < FRESH_MS;
  }

  /** The browser may take minutes to see that a socket is dead; nobody waits for that. */
  #drop(code, reason) {
    const socket = this.#release();
    try { socket?.close(); } catch { /* it was none yet */ }
    this.#closed(code, reason);
  }

  /** The socket is none of ours any more, whatever still comes of it. */
  #release() {
    const socket = this.#socket;
    this.#socket = null;
    if (socket) socket.onopen = socket.onmessage = socket.onclose = null;
    return socket;
  }

  #expect(ms) {
    this.#clock.cancel(this.#watch);
    this.#watch = this.#clock.after(ms, () => this.#drop(1006, 'no answer in time'));
  }

  #expectPing() {
    this.#clock.cancel(this.#watch);
    this.#watch = this.#clock.after(QUIET_MS, () => this.#ping());
  }

  #ping() {
    this.#expect(PONG_TIMEOUT_MS);
    this.send(PING);
  }

  #cancel() {
    this.#clock.cancel(this.#retry);
    this.#clock.cancel(this.#watch);
    this.#retry = this.#watch = null;
  }
}
