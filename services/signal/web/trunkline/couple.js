// A coupling: from the question for a peer to a connection that stays, or a reason why there is none.

import { because, knownReason, SignallingError } from './errors.js';
import { Negotiation } from './negotiation.js';
import { readPair, watchPair } from './pair.js';
import { OldNegotiation, writeOld } from './rtcio.js';

const LOOK_MS = 250;
const MOST_AWAKE_MS = 1000; // between two looks: more was sleep
// For how long each state may last, of the time that the page is awake.
const SETUP_MS = 5000; // to be asked and to agree, together
const NEGOTIATE_MS = 1000; // at least
const NEGOTIATE_OLD_MS = 12000;
const CONNECT_MS = 15000;
const RECOVER_MS = 30000;
// A path that is lost is often back by itself. One side after the other looks for another one.
const RESTART_AFTER_MS = { impolite: 2000, polite: 4000 };

/** Couples a connection with a peer that matches. */
export function couple(pc, match, signaller, options) {
  const coupling = new Coupling(pc, signaller);
  coupling.call(match, options);
  return coupling;
}

/** states: requesting, negotiating, connecting, active, failed, closed */
export class Coupling extends EventTarget {
  state = 'requesting';
  peer = null;
  data = null;
  reason = null;
  #pc; #signaller;
  #id = null; // the request's, by which both sides know it
  #isPolite = false;
  #negotiation = null;
  #say = () => {};
  #wasActive = false;
  #askedAt = null;
  #left = Infinity; // ms for which this state may last
  #lostFor = 0; // ms since the path was lost
  #isUnsaid = false;
  #looked = performance.now();
  #look;
  #ended = new AbortController();

  constructor(pc, signaller) {
    super();
    this.#pc = pc;
    this.#signaller = signaller;
    const { signal } = this.#ended;
    pc.addEventListener('connectionstatechange', () => this.#onConnection(), { signal });
    pc.addEventListener('signalingstatechange', () => this.#onSignaling(), { signal });
    signaller.addEventListener('left', ({ detail }) => detail.id === this.peer && this.#onLeft(detail), { signal });
    for (const type of ['joined', 'resumed', 'updated']) {
      signaller.addEventListener(type, ({ detail }) => detail.id === this.peer && this.#repeat(), { signal });
    }
    globalThis.addEventListener?.('online', () => this.#onNetwork(), { signal });
    this.#look = setInterval(() => this.#onLook(), LOOK_MS);
  }

  get connection() {
    return this.#pc;
  }

  get isOver() {
    return this.state === 'failed' || this.state === 'closed';
  }

  // --- how it begins ---

  /** Asks for a peer. */
  call(match, { timeout } = {}) {
    const { id, promise } = this.#ask(match, { timeout, signal: this.#ended.signal });
    this.#signaller.desk.expect(id, this);
    // A page that gives a peer its time to answer has not used up our own.
    if (timeout === undefined) this.#askedAt = performance.now();
    promise.then(
      (peer) => this.isOver || this.begin(peer, id, true),
      (error) => this.#fail(error.reason ?? error.code ?? 'unreachable', error.message, { isSilent: true }),
    );
  }

  #ask(match, options) {
    try {
      return this.#signaller.ask(match, options);
    } catch (error) {
      clearInterval(this.#look);
      this.#ended.abort();
      throw error;
    }
  }

  /** Both sides want it. */
  begin({ id: peer, data }, id, isCaller = false) {
    const { dialect } = this.#signaller.members.get(peer) ?? {};
    Object.assign(this, { peer, data });
    this.#id = id;
    this.#isPolite = this.#signaller.id > peer;
    if (dialect !== undefined && dialect !== 'rtc.io') return this.#fail('dialect');
    this.#negotiation = dialect === undefined ? this.#native() : this.#old();
    const spent = isCaller && this.#askedAt !== null ? performance.now() - this.#askedAt : 0;
    this.#left = dialect === undefined ? Math.max(NEGOTIATE_MS, SETUP_MS - spent) : NEGOTIATE_OLD_MS;
    this.#setState('negotiating');
    if (this.isOver) return undefined; // a listener has closed it
    // A side that nobody hears of before it is heard says that it is there.
    if (isCaller && this.#isPolite && dialect === undefined) this.#say({ ready: true });
    this.#negotiation.start();
    return this.#signaller.desk.place(this, peer, id, { isOld: dialect !== undefined, isPolite: this.#isPolite });
  }

  /** Goes by another request's id: both sides have asked for each other, and the polite one follows. */
  follow(id) {
    this.#id = id;
  }

  get isFresh() {
    return this.state === 'negotiating' && !this.#pc.remoteDescription;
  }

  #native() {
    this.#say = (words) => {
      const said = this.#signaller.send(this.peer, { $couple: this.#id, ...words });
      said.catch((error) => this.#onUnsaid(error));
    };
    const failed = (error) => this.#onBroken(error);
    return new Negotiation({ pc: this.#pc, isPolite: this.#isPolite, say: (words) => this.#say(words), failed });
  }

  #old() {
    const say = (kind, data) => {
      const said = this.#signaller.send(this.peer, writeOld(kind, this.#signaller.id, data));
      said.catch((error) => this.#onUnsaid(error));
    };
    const failed = (error) => this.#onBroken(error);
    return new OldNegotiation({ pc: this.#pc, isMaster: !this.#isPolite, say, failed, closed: () => this.#end('peer') });
  }

  // --- what happens ---

  /** The other side's words. */
  receive(words) {
    if (this.isOver) return;
    if (words.bye === undefined) this.#negotiation.receive(words);
    else if (words.bye === null || this.state === 'active') this.#end('peer');
    else this.#fail(knownReason(words.bye), undefined, { isSilent: true });
  }

  /** Ends it, and the connection. */
  close() {
    if (this.isOver) return;
    this.#say({ bye: null });
    this.#end('self');
  }

  #onSignaling() {
    const { signalingState, remoteDescription } = this.#pc;
    if (this.state !== 'negotiating' || signalingState !== 'stable' || !remoteDescription) return;
    this.#left = CONNECT_MS;
    this.#setState('connecting');
    this.#onConnection();
  }

  #onConnection() {
    if (this.isOver || this.state === 'negotiating' || this.state === 'requesting') return;
    const { connectionState } = this.#pc;
    if (connectionState === 'connected') {
      this.#left = Infinity;
      this.#lostFor = 0;
      if (this.state !== 'active') this.#onActive();
    } else if (connectionState === 'disconnected' || connectionState === 'failed') {
      if (this.state === 'active') this.#left = RECOVER_MS;
      this.#setState('connecting');
      if (connectionState === 'failed' && !this.#isPolite) this.#restart();
    }
  }

  #onActive() {
    if (!this.#wasActive) watchPair(this.#pc, () => this.#tellPair(), this.#ended.signal);
    this.#wasActive = true;
    this.#setState('active');
    this.#emit('active', { peer: this.peer });
    this.#tellPair();
  }

  async #tellPair() {
    const pair = await readPair(this.#pc).catch(() => null);
    if (pair && !this.isOver) this.#emit('icecandidatepair', pair);
  }

  /** The network is another one: the path may lead nowhere without anybody's having noticed. */
  #onNetwork() {
    if (this.state === 'active' || this.state === 'connecting') this.#restart();
  }

  #restart() {
    this.#lostFor = 0;
    this.#negotiation.restart();
  }

  /** Who says so has hung up. Who has not come back may still be at the other end of a path that works. */
  #onLeft({ reason }) {
    if (this.isOver || (reason !== 'left' && this.#wasActive)) return;
    if (this.#wasActive) this.#end('peer');
    else this.#fail('gone', undefined, { isSilent: true });
  }

  #onUnsaid(error) {
    const { reason, code } = error;
    if (this.isOver) return;
    if (code === 'too-long') this.#onBroken(error);
    else if (this.#wasActive || reason === undefined || reason === 'unreachable') this.#isUnsaid = true;
    else this.#fail(reason, undefined, { isSilent: true });
  }

  /** The peer is there, or has moved: what could not be said can be now. */
  #repeat() {
    if (!this.#isUnsaid || this.isOver) return;
    this.#isUnsaid = false;
    this.#negotiation.nudge();
  }

  #onBroken(error) {
    if (!this.#wasActive) this.#fail('negotiation', error.message);
  }

  /** What no event tells: that time is over, or that somebody has closed the connection. */
  #onLook() {
    const now = performance.now();
    const awake = Math.min(now - this.#looked, MOST_AWAKE_MS);
    this.#looked = now;
    if (this.#pc.signalingState === 'closed') return void this.close();
    this.#left -= awake;
    if (this.#left <= 0) return void this.#fail(this.state === 'negotiating' ? 'timeout' : 'no-path');
    if (this.#isUnsaid && this.#signaller.state === 'announced' && this.#signaller.members.has(this.peer)) this.#repeat();
    if (!this.#wasActive || this.state !== 'connecting') return undefined;
    this.#lostFor += awake;
    if (this.#lostFor >= RESTART_AFTER_MS[this.#isPolite ? 'polite' : 'impolite']) this.#restart();
    return undefined;
  }

  // --- how it ends ---

  #fail(reason, message, { isSilent = false } = {}) {
    if (this.isOver) return;
    if (!isSilent) this.#say({ bye: reason });
    this.reason = reason;
    const error = message ? new SignallingError({ reason, message, peer: this.peer }) : because(reason, this.peer);
    this.#stop('failed');
    this.#emit('failed', { reason, message: error.message, peer: this.peer });
  }

  #end(by) {
    if (this.isOver) return;
    this.#stop('closed');
    this.#emit('closed', { by, peer: this.peer });
  }

  #stop(state) {
    this.#setState(state);
    clearInterval(this.#look);
    this.#ended.abort(because('gone', this.peer));
    this.#negotiation?.stop();
    this.#signaller.desk.clear(this);
    this.#pc.close();
  }

  #setState(state) {
    if (state === this.state) return;
    this.state = state;
    this.#emit('statechange', { state });
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
