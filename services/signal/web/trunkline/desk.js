// Where messages between couplings are told from others, and go to the coupling that they are for.

import { Early } from './early.js';
import { readOld } from './rtcio.js';

const PARKED_MS = 3000;
const MOST_PARKED = 64;
const MOST_WORDS = 128;

export class Desk {
  #signaller;
  #places = new Map(); // coupling → { peer, id, isOld, isPolite }
  #parked = new Map(); // `peer id` → { peer, id, words, timer }: accepted, and nobody is there for it yet
  #early = new Early();
  #answering = null;
  #isUsed = false;

  constructor(signaller) {
    this.#signaller = signaller;
  }

  // --- who is there ---

  /** A coupling has asked for a peer, and waits for the answer. */
  expect(id, coupling) {
    this.#early.expect(id, coupling);
  }

  /** A coupling has found its peer. */
  place(coupling, peer, id, { isOld, isPolite }) {
    this.#isUsed = true;
    const place = { peer, id, isOld, isPolite };
    this.#places.set(coupling, place);
    this.#catchUp(coupling, peer);
    if (isOld) return this.#unpark(keyOf(peer, null), coupling);
    this.#unpark(keyOf(peer, id), coupling);
    for (const parked of [...this.#parked.values()]) this.#follow(coupling, place, parked);
    return undefined;
  }

  clear(coupling) {
    this.#places.delete(coupling);
    this.#catchUp(coupling, null);
  }

  /** Whoever is asked for is asked whether it will talk; `null` for nobody. */
  get answering() {
    return this.#answering;
  }

  set answering(answering) {
    this.#isUsed = true;
    this.#answering = answering;
  }

  /** We are about to be in no room any more: nobody can be talked to. */
  leave() {
    this.#early.clear();
    for (const coupling of [...this.#places.keys()]) coupling.close();
    for (const { timer } of this.#parked.values()) clearTimeout(timer);
    this.#parked.clear();
  }

  // --- what comes ---

  /** A native peer asks for us, and no listener has decided. */
  requested(event) {
    const { id: peer, request: id, data } = event.detail;
    if (this.#answering) {
      this.#park(peer, id, null);
      this.#answering.asked({ id: peer, data }, id, event);
      return;
    }
    event.accept();
    this.#park(peer, id, PARKED_MS);
  }

  /** Nobody will be there for it. */
  declined(peer, id) {
    this.#parked.delete(keyOf(peer, id));
  }

  /** Whether a message is between couplings, and so for nobody else. */
  take({ from, body }) {
    if (typeof body?.$couple === 'string') {
      this.#takeWords(from, body.$couple, body);
      return true;
    }
    const old = this.#isOld(from) ? readOld(body) : null;
    // Who announces itself to us is in the roster: of that, pages are told in any case.
    if (!old || !(this.#isUsed || old.kind === '/announce')) return false;
    this.#takeOld(from, old);
    return true;
  }

  #takeWords(from, id, words) {
    const coupling = this.#find(({ peer, id: other, isOld }) => !isOld && peer === from && other === id);
    const parked = this.#parked.get(keyOf(from, id));
    if (coupling) coupling.receive(words);
    else if (parked) keepWords(parked, words);
    else if (this.#early.keep(from, id, words)) return;
    else if (words.bye === undefined) this.#bye(from, id, 'gone');
  }

  #takeOld(from, words) {
    const coupling = this.#find(({ peer, isOld }) => isOld && peer === from);
    coupling?.receive(words);
    // One that has begun anew has ended it with that word.
    if (coupling && !coupling.isOver) return undefined;
    const parked = this.#parked.get(keyOf(from, null));
    if (parked) return keepWords(parked, words);
    // One that is ready to talk is, in its way, asking for it.
    const isAsking = ['/ready', '/sdp', '/reconnect'].includes(words.kind);
    if (!isAsking || !this.#answering) return undefined;
    keepWords(this.#park(from, null, null), words);
    return this.#answering.asked({ id: from, data: this.#signaller.members.get(from).data }, null, null);
  }

  // --- what waits ---

  /** What was said before the answer: it is for the coupling if the one who has said it is its peer. */
  #catchUp(coupling, peer) {
    const { id, heard } = this.#early.take(coupling);
    for (const { from, words } of heard) if (from === peer) coupling.receive(words);
    const others = heard.filter(({ from, words }) => from !== peer && words.bye === undefined);
    for (const from of new Set(others.map((other) => other.from))) this.#bye(from, id, 'gone');
  }

  /** What is said meanwhile waits, and nobody waits for ever. */
  #park(peer, id, within) {
    const key = keyOf(peer, id);
    const parked = { peer, id, words: [], timer: undefined };
    if (within !== null) parked.timer = setTimeout(() => this.#expire(key), within);
    this.#parked.set(key, parked);
    if (this.#parked.size > MOST_PARKED) this.#expire(this.#parked.keys().next().value);
    for (const [coupling, place] of this.#places) this.#follow(coupling, place, parked);
    return parked;
  }

  #unpark(key, coupling) {
    const parked = this.#parked.get(key);
    if (!parked) return;
    clearTimeout(parked.timer);
    this.#parked.delete(key);
    for (const words of parked.words) coupling.receive(words);
  }

  /**
   * Two have asked for each other, with a connection each: that is one coupling, which goes by the id that the impolite
   * side has given. Where somebody answers, there are two.
   */
  #follow(coupling, place, { peer, id }) {
    const isBoth = place.peer === peer && place.id !== id && !place.isOld && id !== null;
    if (!isBoth || !place.isPolite || this.#answering || !coupling.isFresh) return;
    place.id = id;
    coupling.follow(id);
    this.#unpark(keyOf(peer, id), coupling);
  }

  #expire(key) {
    const { peer, id, words, timer } = this.#parked.get(key);
    clearTimeout(timer);
    this.#parked.delete(key);
    // Who asked for something else than a coupling has said nothing here, and expects nothing.
    if (words.length > 0 && id !== null) this.#bye(peer, id, 'declined');
  }

  #bye(peer, id, reason) {
    this.#signaller.send(peer, { $couple: id, bye: reason }).catch(() => {}); // it finds out by itself
  }

  #find(matches) {
    for (const [coupling, place] of this.#places) if (matches(place)) return coupling;
    return null;
  }

  #isOld(peer) {
    return this.#signaller.members.get(peer)?.dialect === 'rtc.io';
  }
}

function keepWords({ words }, word) {
  if (words.length < MOST_WORDS) words.push(word);
}

const keyOf = (peer, id) => `${id} ${peer}`;
