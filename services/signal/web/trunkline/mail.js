// Messages, in both directions: what is said goes at once or as soon as there is a connection, what comes is acknowledged.
// No I/O.

import { Broadcasts } from './broadcasts.js';
import { because, deferred, rejected, tooLong } from './errors.js';
import { isLonger } from './frames.js';
import { Inbox } from './inbox.js';
import { Outbox } from './outbox.js';

const ACK_DELAY_MS = 15;
const MOST = Number.MAX_SAFE_INTEGER;

export class Mail {
  #say; #now; #members;
  #outbox = new Outbox();
  #inbox = new Inbox();
  #broadcasts = new Broadcasts();
  #ackAt = Infinity;
  #isUp = false;

  constructor({ say, now, members }) {
    this.#say = say;
    this.#now = now;
    this.#members = members;
  }

  // --- what we say ---

  send(to, body, limits) {
    const ends = deferred();
    // However far the numbers go.
    const longest = { type: 'send', to, n: MOST, first: MOST, body };
    if (isLonger(longest, limits.frameBytes)) return rejected(tooLong('a frame', limits.frameBytes));
    const item = this.#outbox.add(to, body, ends, limits.unacknowledged);
    if (!item) ends.reject(because('overloaded', to));
    else if (this.#isUp) this.#saySend(to, item);
    return ends.promise;
  }

  broadcast(body, limits) {
    if (isLonger({ type: 'broadcast', n: MOST, body }, limits.frameBytes)) throw tooLong('a frame', limits.frameBytes);
    if (!this.#broadcasts.add(body)) throw because('overloaded');
    if (this.#isUp) this.#sayBroadcasts();
  }

  acked(by, n) {
    this.#outbox.acked(by, n, this.#now());
  }

  undelivered(to, n, reason) {
    this.#outbox.undelivered(to, n, reason, this.#now());
  }

  // --- what others say ---

  /** Whether a message is to be delivered. */
  take(frame) {
    const isNew = this.#inbox.take(frame);
    if (this.#inbox.owes) this.#ackAt = Math.min(this.#ackAt, this.#now() + ACK_DELAY_MS);
    return isNew;
  }

  // --- the connection and the room ---

  /** There is a connection: on it, all that the last one may have lost. */
  up() {
    this.#isUp = true;
    this.#inbox.oweAgain((peer) => this.#members.has(peer));
    this.#sayAcks();
    for (const to of this.#outbox.receivers()) this.#sayAgain(to);
    this.#sayBroadcasts();
  }

  down() {
    this.#isUp = false;
    this.#ackAt = Infinity;
    this.#outbox.pause();
  }

  /** A peer is there: at another node perhaps, which has not what was on its way. */
  present(peer) {
    if (this.#isUp) this.#sayAgain(peer);
  }

  gone(peer) {
    this.#outbox.giveUp(peer, 'gone');
  }

  /** Our session is another one, which nobody has heard of. */
  renew() {
    this.#outbox.renew();
    this.#broadcasts.renew();
  }

  giveUp() {
    for (const to of this.#outbox.receivers()) this.#outbox.giveUp(to, 'unreachable');
    this.#broadcasts.drop();
  }

  // --- time ---

  deadline() {
    return this.#isUp ? Math.min(this.#ackAt, this.#outbox.deadline()) : Infinity;
  }

  tick(now) {
    if (!this.#isUp) return;
    if (this.#ackAt <= now) this.#sayAcks();
    // What is said to one who is suspended waits at a node, and is said again when it is back.
    for (const to of this.#outbox.due(now)) if (!this.#members.get(to)?.suspended) this.#sayAgain(to);
  }

  // --- frames that go ---

  #saySend(to, item) {
    this.#say(this.#outbox.frame(to, item));
    this.#outbox.said(to, item, this.#now());
    this.#settleOld(to);
  }

  #sayAgain(to) {
    this.#settleOld(to);
    for (const item of this.#outbox.waiting(to)) this.#saySend(to, item);
  }

  #settleOld(to) {
    if (this.#members.get(to)?.dialect !== undefined) this.#outbox.settle(to);
  }

  #sayBroadcasts() {
    for (const frame of this.#broadcasts.frames()) this.#say(frame);
  }

  #sayAcks() {
    this.#ackAt = Infinity;
    for (const ack of this.#inbox.acks()) this.#say(ack);
  }
}
