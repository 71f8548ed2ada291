// The signaller: a peer in a room, as a page sees it.

import { Connection } from './connection.js';
import { Desk } from './desk.js';
import { rejected, SignallingError } from './errors.js';
import { checked, checkedToken, snapshot, snapshotOf } from './frames.js';
import { IceServers } from './ice.js';
import { clock, isHidden, Keepsake, sessionStorageOf, unique, watchPage } from './page.js';
import { Session } from './session.js';

/** A peer asks whether this one will talk. It is told yes, unless a listener decides otherwise. */
export class RequestedEvent extends Event {
  #answer;
  #isAnswered = false;

  constructor({ from, data, id }, answer) {
    super('requested', { cancelable: true });
    this.detail = Object.freeze({ id: from, data, request: id });
    this.#answer = answer;
  }

  get isAnswered() {
    return this.#isAnswered;
  }

  accept() {
    this.#decide(true);
  }

  decline(reason) {
    this.#decide(false, reason);
  }

  #decide(isYes, reason) {
    if (this.#isAnswered) return;
    this.#isAnswered = true;
    this.#answer(isYes, reason);
  }
}

/** Makes a signaller, which connects at once. */
export const signaller = (url, options) => new Signaller(url, options);

export class Signaller extends EventTarget {
  state = 'connecting';
  #session; #connection; #keepsake; #unwatch; #desk; #ice;
  #timer = null;

  constructor(url, { room, id, token, storage = sessionStorageOf(globalThis) } = {}) {
    super();
    checked('room', room);
    if (id !== undefined) checked('id', id);
    if (token !== undefined && token !== null) checkedToken(token);
    const target = endpoint(url);
    this.#keepsake = new Keepsake(storage, `trunkline ${target} ${room}`);
    const kept = this.#keepsake.take();
    this.#session = new Session({
      room,
      peer: id,
      token,
      // A token is good for its own peer alone.
      resume: kept && (id === undefined || id === kept.peer) ? kept : null,
      transmit: (text) => this.#connection.send(text),
      emit: (type, detail) => this.#happened(type, detail),
      now: clock.now,
      random: unique,
    });
    this.#desk = new Desk(this);
    this.#ice = new IceServers({ url: target, token, told: (detail) => this.#emit('iceservers', detail) });
    this.#connection = new Connection({
      url: target,
      events: this.#events(),
      make: (to) => new WebSocket(to),
      clock,
      random: Math.random,
    });
    this.#unwatch = watchPage({
      wake: () => this.#connection.wake(),
      show: () => this.#keepsake.forget(),
      hide: () => this.#keepsake.keep(this.#session.keepsake),
      end: () => this.#leaveForGood(),
    });
    this.#connection.open();
  }

  get id() {
    return this.#session.peer;
  }

  get members() {
    return this.#session.members;
  }

  get iceServers() {
    return this.#ice.current;
  }

  /** Enters the room, or tells it of other data. Resolves with the other members. */
  announce(data = {}) {
    return this.#promise(() => this.#session.announce(snapshotOf(data, 'data')));
  }

  /** Asks for a peer that will talk: one whose data has all that `match` has, or `{ peer: id }`. */
  request(match, options) {
    return this.#promise(() => this.#session.request(wanted(match), options).promise);
  }

  /** Resolves when the receiver has it. */
  send(to, body) {
    return this.#promise(() => this.#session.send(checked('id', to), snapshot(body)));
  }

  broadcast(body) {
    this.#do(() => this.#session.broadcast(snapshot(body)));
  }

  /** Leaves the room, in which a later `announce` enters again. */
  leave() {
    this.#desk.leave();
    this.#do(() => this.#session.leave());
    this.#keepsake.forget();
    if (this.state === 'announced') this.#setState('connected');
  }

  /** Leaves, and ends the connection. */
  close() {
    if (this.state === 'closed') return;
    this.leave();
    this.#end(new SignallingError({ code: 'closed', message: 'the signaller was closed' }));
  }

  // --- for connections and couplings ---

  get desk() {
    return this.#desk;
  }

  get ice() {
    return this.#ice;
  }

  /** A request together with its id, by which both sides know the coupling. */
  ask(match, options) {
    return this.#do(() => this.#session.request(wanted(match), options));
  }

  // --- what happens ---

  #events() {
    return {
      opened: () => this.#do(() => this.#session.opened()),
      received: (text) => this.#do(() => this.#session.receive(text)),
      windowMs: () => this.#session.windowMs,
      lost: (detail) => {
        this.#do(() => this.#session.lost());
        this.#setState('reconnecting', detail);
      },
      refused: ({ code, reason }) => {
        const error = new SignallingError({ code, message: reason || `the node closed the connection with ${code}` });
        this.#end(error);
        this.#emit('error', error);
      },
    };
  }

  #happened(type, detail) {
    if (type === 'welcome') this.#setState('connected', detail);
    else if (type === 'iceservers') this.#ice.take(detail);
    else if (type === 'migrate') this.#connection.replace();
    else if (type === 'members') this.#announced(detail);
    else if (type === 'out') this.#putOut(detail);
    else if (type === 'requested') this.#requested(detail);
    else if (type !== 'message' || !this.#desk.take(detail)) this.#emit(type, detail);
  }

  #announced(detail) {
    this.#connection.settled();
    if (isHidden()) this.#keepsake.keep(this.#session.keepsake);
    this.#setState('announced', detail);
  }

  #putOut({ code, message }) {
    this.#keepsake.forget();
    if (this.state === 'announced') this.#setState('connected', { code, reason: message });
  }

  #requested(detail) {
    const { from, id } = detail;
    const event = new RequestedEvent(detail, (isYes, reason) => {
      this.#do(() => (isYes ? this.#session.accept(from, id) : this.#session.decline(from, id, reason)));
    });
    this.dispatchEvent(event);
    if (!event.defaultPrevented && !event.isAnswered) this.#desk.requested(event);
  }

  /** What is wrong with what is asked for breaks the promise, as all else does. */
  #promise(job) {
    try {
      return this.#do(job);
    } catch (error) {
      return rejected(error);
    }
  }

  /** Whatever was done, it may have set or changed a time at which there is more to do. */
  #do(job) {
    try {
      return job();
    } finally {
      clock.cancel(this.#timer);
      const deadline = this.#session.deadline();
      const tick = () => this.#do(() => this.#session.tick());
      this.#timer = deadline === Infinity ? null : clock.after(Math.max(0, deadline - clock.now()), tick);
    }
  }

  /** The page goes, and its storage says who comes after it. */
  #leaveForGood() {
    this.#session.leave();
    this.#connection.close();
  }

  #end(error) {
    this.#unwatch();
    this.#keepsake.release();
    this.#connection.close();
    this.#do(() => {
      this.#session.lost();
      this.#session.giveUp(error);
    });
    this.#ice.close();
    this.#setState('closed', { code: error.code, reason: error.message });
  }

  #setState(state, detail = {}) {
    if (state === this.state && state !== 'announced') return;
    this.state = state;
    this.#emit('state', { ...detail, state });
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** A string, or an object with `peer` alone, is an id; else it is what the peer's data is to have. */
function wanted(match) {
  if (typeof match === 'string') return { peer: checked('id', match) };
  const copy = snapshotOf(match, 'what a request matches');
  const isId = typeof copy.peer === 'string' && Object.keys(copy).length === 1;
  return isId ? { peer: checked('id', copy.peer) } : { match: copy };
}

function endpoint(url) {
  const target = new URL(url, globalThis.location?.href);
  target.protocol = target.protocol.replace(/^http/, 'ws');
  target.hash = '';
  if (!target.pathname.endsWith('/v1/connect')) target.pathname = `${target.pathname.replace(/\/$/, '')}/v1/connect`;
  return target.href;
}
