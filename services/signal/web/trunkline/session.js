// A client's side of the native dialect without any I/O: time, randomness and the socket are handed in, frames and events
// come out. It survives its sockets: what was said and not acknowledged is said again on the next one, and of the roster
// only what has changed is told.

import { Announcement } from './announcement.js';
import { deferred, notAnnounced, rejected, SignallingError, tooLong } from './errors.js';
import { isLonger, MOST_DATA_BYTES, read } from './frames.js';
import { Mail } from './mail.js';
import { Requests } from './requests.js';
import { Roster } from './roster.js';

const VERSION = 1;
// Until a node has said what it takes, and for how long it waits for us.
const LIMITS = { frameBytes: 262144, unacknowledged: 256 };
const WINDOW_MS = 8000;

export class Session {
  id = null; // the session's, as the node names it
  peer; // our id
  isPresent = false; // the node has told on this socket who is in the room
  windowMs = WINDOW_MS;
  #limits = LIMITS;
  #room; #token; #isIdChosen;
  #resume = null; // { token, anew }
  #transmit; #emit; #now; #random;
  #roster = new Roster();
  #mail;
  #requests = new Requests();
  #announcement = new Announcement();
  #isOpen = false; // there is a socket

  /**
   * `resume` is of an earlier page, { token, peer }. `transmit` takes the text of a frame, `emit` a type and a detail,
   * `now` gives milliseconds and `random` text that was never there before.
   */
  constructor({ room, peer = null, token, resume = null, transmit, emit, now, random }) {
    this.peer = peer ?? resume?.peer ?? null;
    this.#isIdChosen = peer !== null;
    this.#room = room;
    this.#token = token;
    // A page that was loaded anew does not know how far the one before had counted.
    if (resume) this.#resume = { token: resume.token, anew: true };
    this.#transmit = transmit;
    this.#emit = emit;
    this.#now = now;
    this.#random = random;
    this.#mail = new Mail({ say: (frame) => this.#say(frame), now, members: this.members });
  }

  get members() {
    return this.#roster.members;
  }

  /** What a page that comes after this one needs to be the same peer. */
  get keepsake() {
    return this.#resume && this.peer !== null ? { token: this.#resume.token, peer: this.peer } : null;
  }

  // --- the socket's life ---

  /** A socket has opened. What is known to be wanted goes right behind the greeting. */
  opened() {
    this.#isOpen = true;
    // What is undefined is not written.
    const { token: resume, anew } = this.#resume ?? {};
    this.#say({ type: 'hello', v: VERSION, token: this.#token, resume, anew });
    if (this.#announcement.isWanted) this.#sayAnnounce();
  }

  lost() {
    this.#announcement.lost(this.isPresent, this.#now(), this.windowMs);
    this.#isOpen = false;
    this.#absent();
  }

  // --- what the page wants ---

  announce(data = {}) {
    if (isLonger(data, MOST_DATA_BYTES)) return rejected(tooLong('what is announced', MOST_DATA_BYTES));
    const ends = deferred();
    this.#announcement.want(data, ends);
    if (this.#isOpen) this.#sayAnnounce();
    return ends.promise;
  }

  leave() {
    if (this.isPresent || this.#announcement.isAsked) {
      this.#say({ type: 'leave' });
      // Where no node hears that, our place is kept for a while, for whoever has the token.
      this.#resume = null;
    }
    this.#absent();
    this.giveUp(new SignallingError({ code: 'left', message: 'the room was left' }));
    this.members.clear();
  }

  send(to, body) {
    if (!this.#announcement.isWanted) return rejected(notAnnounced());
    return this.#mail.send(to, body, this.#limits);
  }

  /** Nobody acknowledges it: it is heard by whoever is there. */
  broadcast(body) {
    if (!this.#announcement.isWanted) throw notAnnounced();
    this.#mail.broadcast(body, this.#limits);
  }

  /** `wanted` is { match } or { peer }. Gives the request's id with the promise. */
  request(wanted, options) {
    const ends = deferred();
    const id = this.#random();
    const now = this.#now();
    if (!this.#announcement.isWanted) {
      ends.reject(notAnnounced());
    } else if (this.#requests.ask({ id, wanted, ends, ...options }, now) && this.isPresent) {
      this.#say(this.#requests.frame(id, now));
    }
    return { id, promise: ends.promise };
  }

  accept(from, id) {
    this.#answer(this.#requests.accept(from, id));
  }

  decline(from, id, reason) {
    this.#answer(this.#requests.decline(from, id, reason));
  }

  /** Nothing will come of what is under way. */
  giveUp(error) {
    for (const ends of this.#announcement.drop()) ends.reject(error);
    this.#mail.giveUp();
    this.#requests.giveUp(error);
  }

  // --- time ---

  /** When `tick` has something to do, if nothing happens before. */
  deadline() {
    return Math.min(this.#announcement.deadline(), this.#requests.deadline(), this.#mail.deadline());
  }

  tick() {
    const now = this.#now();
    this.#requests.expire(now, this.isPresent);
    if (this.#announcement.deadline() <= now && this.#isOpen) this.#sayAnnounce();
    this.#mail.tick(now);
  }

  // --- frames that come ---

  receive(text) {
    const frame = read(text);
    switch (frame?.type) {
      case 'welcome': return this.#onWelcome(frame);
      case 'members': return this.#onMembers(frame);
      case 'joined': case 'updated': case 'resumed': return this.#onPresent(frame);
      case 'suspended': return this.#tell(this.#roster.suspended(frame.peer));
      case 'left': return this.#onLeft(frame);
      case 'message': return this.#onMessage(frame);
      case 'acked': return this.#onAcked(frame);
      case 'undelivered': return this.#onUndelivered(frame);
      case 'requested': return this.#onRequested(frame);
      case 'answer': return this.#requests.answered(frame);
      case 'ice_servers': return this.#onIceServers(frame);
      case 'migrate': return this.#emit('migrate', { withinMs: frame.within_ms });
      case 'error': return this.#onError(frame);
      default: return undefined; // of a newer node, perhaps
    }
  }

  #onWelcome({ session, resume, node, region, window_ms: windowMs, ice_servers, ttl, limits }) {
    if (this.id !== null && session !== this.id) this.#mail.renew();
    this.id = session;
    // Before the room has answered: the node may be lost in between, and keep our id from others.
    if (resume) this.#resume = { token: resume };
    this.windowMs = windowMs ?? WINDOW_MS;
    this.#limits = {
      frameBytes: limits?.frame_bytes ?? LIMITS.frameBytes,
      unacknowledged: limits?.unacknowledged ?? LIMITS.unacknowledged,
    };
    this.#emit('welcome', { session, node, region });
    this.#onIceServers({ ice_servers, ttl });
  }

  #onMembers({ peer, resume, parts, peers }) {
    const taken = this.#announcement.taken();
    if (!taken) return;
    const { ends: kept, known } = taken;
    const isFirst = !this.isPresent;
    this.peer = peer;
    this.#resume = { token: resume };
    this.isPresent = true;
    const changes = this.#roster.replace(peers, { parts, known });
    this.#forget(changes);
    // Before anybody is told, who may have more to say.
    if (isFirst) this.#catchUp();
    this.#tell(changes);
    for (const ends of kept) ends.resolve(this.members);
    this.#emit('members', { peer });
  }

  #onPresent(frame) {
    const changes = this.#roster.present(frame);
    this.#mail.present(frame.peer);
    this.#tell(changes);
  }

  #onLeft({ peer, reason }) {
    this.#mail.gone(peer);
    this.#tell(this.#roster.left(peer, reason));
  }

  #onMessage(frame) {
    if (!this.#mail.take(frame)) return;
    this.#emit('message', { from: frame.from, body: frame.body, isBroadcast: frame.to === undefined });
  }

  #onAcked({ by, session, n }) {
    if (session === this.id) this.#mail.acked(by, n);
  }

  #onUndelivered({ to, session, n, reason }) {
    if (session === this.id) this.#mail.undelivered(to, n, reason);
  }

  #onRequested({ id, from, data }) {
    const known = this.#requests.heard(from, id);
    if (known === 'ask') this.#emit('requested', { id, from, data });
    else if (known !== 'wait') this.#say(known);
  }

  #onIceServers({ ice_servers: iceServers, ttl }) {
    if (Array.isArray(iceServers)) this.#emit('iceservers', { iceServers, ttl });
  }

  #onError({ code, message, temporary = false, about }) {
    const error = new SignallingError({ code, message, temporary });
    // A node that could not read a frame may not say which.
    const isUnclear = about === undefined && code === 'bad-field' && this.#announcement.isAsked;
    if (about === 'announce' || isUnclear) return this.#onRefused(error);
    if (code === 'bad-resume') this.#resume = null;
    return this.#emit('error', error);
  }

  #onRefused(error) {
    const isInUse = error.code === 'id-in-use';
    const canChange = isInUse && !this.#isIdChosen && this.peer !== null;
    const how = { isInUse, canChange, isTemporary: error.temporary, isPresent: this.isPresent };
    const { fate, ends } = this.#announcement.refused(this.#now(), how);
    if (fate === 'as another') this.peer = null;
    if (isInUse && fate !== 'later') this.#absent();
    if (fate === 'as another' || fate === 'later') return;
    for (const { reject } of ends) reject(error);
    // We are in no room, and do not try to be until the page says so.
    if (fate === 'out') {
      this.giveUp(error);
      this.#emit('out', error);
      this.#tell(this.#roster.replace([]));
    }
    this.#emit('error', error);
  }

  // --- frames that go ---

  #say(frame) {
    this.#transmit(JSON.stringify(frame));
  }

  #sayAnnounce() {
    // From before the last socket was lost; who announces itself again on this one has been told.
    const known = this.isPresent || this.#announcement.isAsked ? null : this.#roster.known();
    const data = this.#announcement.say(known);
    this.#say({ type: 'announce', room: this.#room, peer: this.peer ?? undefined, data, known: known?.sums });
  }

  #absent() {
    this.isPresent = false;
    this.#mail.down();
  }

  #answer(frame) {
    if (frame && this.isPresent) this.#say(frame);
    else if (frame) this.#requests.keep(frame);
  }

  /** What waits for a connection, and what the last one may have lost. */
  #catchUp() {
    this.#mail.up();
    for (const frame of this.#requests.frames(this.#now())) this.#say(frame);
  }

  #forget(changes) {
    for (const [type, { id }] of changes) if (type === 'left') this.#mail.gone(id);
  }

  #tell(changes) {
    for (const [type, member] of changes) this.#emit(type, member);
  }
}
