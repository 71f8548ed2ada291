// What was said to single peers and is not acknowledged: numbered for each of them, kept, and said again when it may be
// lost. No I/O: it makes frames, and is told what became of them.

import { because } from './errors.js';

// The safety net where no event told us to say it again. Receivers drop what comes twice.
const PATIENCE_MS = 5000;
const LONGEST_PATIENCE_MS = 40000;
// Verdicts come in swarms: what is left is said again once for all of them.
const HOLE_MS = 100;
/** Peers to whom something was said. Of those for whom nothing waits, who was spoken to longest ago is forgotten. */
const MOST_LANES = 1024;

/** A verdict gives a number up; other words of the node's are notices. */
const VERDICTS = new Set(['no-match', 'gone', 'unreachable', 'overloaded', 'timeout']);
/** Nobody is there to whom the rest could be said. */
const DEPARTURES = new Set(['no-match', 'gone']);

export class Outbox {
  // Peers stay in here when nothing waits for them: their numbers go on.
  #lanes = new Map(); // peer → { next, waiting: [{ n, body, ends, said }], patience, due }; the one used last at the end
  #floor = 1; // what a new lane begins with: beyond the numbers of those that were forgotten

  /** Null where too many are waited for. */
  #use(to) {
    const lane = this.#lanes.get(to) ?? this.#make();
    if (!lane) return null;
    this.#lanes.delete(to);
    this.#lanes.set(to, lane);
    return lane;
  }

  #make() {
    if (this.#lanes.size >= MOST_LANES && !this.#forgetOne()) return null;
    return { next: this.#floor, waiting: [], patience: PATIENCE_MS, due: Infinity };
  }

  #forgetOne() {
    for (const [to, { next, waiting }] of this.#lanes) {
      if (waiting.length > 0) continue;
      // Who is spoken to again hears numbers that it has not heard yet.
      this.#floor = Math.max(this.#floor, next);
      return this.#lanes.delete(to);
    }
    return false;
  }

  /** Keeps a message; null where `limit` of them wait for this peer, or too many peers are waited for. */
  add(to, body, ends, limit) {
    const lane = this.#use(to);
    if (!lane || lane.waiting.length >= limit) return null;
    const item = { n: lane.next, body, ends, said: false };
    lane.next += 1;
    lane.waiting.push(item);
    return item;
  }

  /** The frame for a message: the lowest number still to come goes along, so that nobody waits for one that was given up. */
  frame(to, item) {
    return { type: 'send', to, n: item.n, first: this.#lanes.get(to).waiting[0].n, body: item.body };
  }

  /** It is on its way. */
  said(to, item, now) {
    const lane = this.#lanes.get(to);
    item.said = true;
    lane.due = Math.min(lane.due, now + lane.patience);
  }

  /** Who is waited for. */
  receivers() {
    return [...this.#lanes].filter(([, { waiting }]) => waiting.length > 0).map(([to]) => to);
  }

  /** What waits for one of them, in order. */
  waiting(to) {
    return [...(this.#lanes.get(to)?.waiting ?? [])];
  }

  /** `to` has all up to `n`. */
  acked(to, n, now) {
    const lane = this.#lanes.get(to);
    if (!lane) return;
    let any = false;
    while (lane.waiting.length > 0 && lane.waiting[0].n <= n) {
      lane.waiting.shift().ends.resolve();
      any = true;
    }
    if (!any) return;
    lane.patience = PATIENCE_MS;
    const [next] = lane.waiting;
    lane.due = next?.said ? now + lane.patience : Infinity;
    // The numbers between were given up, which the receiver cannot know from frames that it had before.
    if (next?.said && next.n > n + 1) lane.due = now + HOLE_MS;
  }

  /** A node's word on a message. */
  undelivered(to, n, reason, now) {
    const lane = this.#lanes.get(to);
    const at = lane?.waiting.findIndex((item) => item.n === n) ?? -1;
    if (at < 0 || !VERDICTS.has(reason)) return;
    const [item] = lane.waiting.splice(at, 1);
    item.ends.reject(because(reason, to));
    if (lane.waiting.length === 0) lane.due = Infinity;
    else if (at === 0 && !DEPARTURES.has(reason)) lane.due = Math.min(lane.due, now + HOLE_MS);
  }

  /** Nothing more can reach `to`. */
  giveUp(to, reason) {
    const lane = this.#lanes.get(to);
    if (!lane) return;
    lane.due = Infinity;
    for (const { ends } of lane.waiting.splice(0)) ends.reject(because(reason, to));
  }

  /** Peers of old dialects acknowledge nothing: what is on its way to them is done. */
  settle(to) {
    const lane = this.#lanes.get(to);
    if (!lane) return;
    lane.due = Infinity;
    lane.waiting = lane.waiting.filter(({ said, ends }) => {
      if (said) ends.resolve();
      return !said;
    });
  }

  /**
   * The numbers begin anew, with a session that receivers know nothing of. What they may have had under the old numbers
   * cannot be said again without their having it twice.
   */
  renew() {
    this.#floor = 1;
    for (const [to, lane] of this.#lanes) {
      const unsaid = lane.waiting.filter(({ said }) => !said);
      const said = lane.waiting.filter((item) => item.said);
      Object.assign(lane, { next: 1, waiting: unsaid, due: Infinity });
      for (const item of unsaid) item.n = lane.next++;
      for (const { ends } of said) ends.reject(because('unreachable', to));
    }
  }

  /** When something is to be said again, if nothing happens. */
  deadline() {
    let first = Infinity;
    for (const { due } of this.#lanes.values()) first = Math.min(first, due);
    return first;
  }

  /** To whom by now. */
  due(now) {
    const late = [...this.#lanes].filter(([, { due }]) => due <= now);
    for (const [, lane] of late) {
      lane.due = Infinity;
      lane.patience = Math.min(2 * lane.patience, LONGEST_PATIENCE_MS);
    }
    return late.map(([to]) => to);
  }

  /** No frame reaches anybody for now; when one does, all is said again anyway. */
  pause() {
    for (const lane of this.#lanes.values()) Object.assign(lane, { due: Infinity, patience: PATIENCE_MS });
  }
}
