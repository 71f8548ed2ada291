// The board: who is here, and the calls with them. Keeps list and cards in step.

import { Call } from './call.js';
import { acquire, release } from './media.js';
import { displayName } from './names.js';
import * as view from './view.js';

const MAX_PEERS = 200;
const MAX_CALLS = 8;
const ENDED_SHOWN_MS = 6000;
const RETURN_MS = 10000;

export class Board {
  #me; #signalling; #log; #nodes; #onChange;
  #peers = new Map(); // id -> { id, name, callable, seen, away, item }
  #calls = new Map(); // id -> { call, card, usesCamera, timer }
  #round = 0;
  #sweep = 0;

  constructor({ me, signalling, log, nodes, onChange }) {
    this.#me = me;
    this.#signalling = signalling;
    this.#log = log;
    this.#nodes = nodes;
    this.#onChange = onChange;
    nodes.peers.addEventListener('click', (event) => this.#onPeerClick(event));
    nodes.calls.addEventListener('click', (event) => this.#onCardClick(event));
  }

  get counts() {
    return { peers: this.#peers.size, calls: this.#calls.size };
  }

  nameOf(id) {
    return this.#peers.get(id)?.name ?? displayName(id, {});
  }

  /** A frame from the room. */
  receive({ cmd, from, data, directed }) {
    if (!from) return;
    const entry = this.#calls.get(from);
    switch (cmd) {
      case '/announce': this.#announced(from, data, directed); break;
      case '/leave': this.#left(from); break;
      case '/call': if (directed) this.#called(from, data.media === 'video' ? 'video' : 'data'); break;
      case '/hangup': if (directed) this.#hungUp(from, data.reason); break;
      case '/description': if (directed) entry?.call.onDescription(data); break;
      case '/candidate': if (directed) entry?.call.onCandidate(data); break;
      default: // another dialect shares the room
    }
  }

  /** We are (again) in the room: who does not answer soon is gone. */
  joined() {
    this.#round += 1;
    for (const id of this.#calls.keys()) this.#resume(id);
    clearTimeout(this.#sweep);
    this.#sweep = setTimeout(() => {
      const silent = [...this.#peers.values()].filter(({ seen }) => seen < this.#round);
      silent.forEach(({ id }) => this.#left(id));
    }, RETURN_MS);
  }

  /** Hang up on everybody and forget the room. */
  clear() {
    clearTimeout(this.#sweep);
    for (const id of [...this.#calls.keys()]) {
      this.hangUp(id);
      this.#dropCall(id);
    }
    this.#peers.clear();
    this.#nodes.peers.replaceChildren();
    this.#onChange();
  }

  hangUp(id) {
    const entry = this.#calls.get(id);
    if (!entry?.call.live) return;
    this.#signalling.direct(id, '/hangup', { reason: 'ended' });
    entry.call.close('ended', 'You ended the call');
  }

  // --- people ---

  #announced(id, attributes, directed) {
    const known = this.#peers.get(id);
    if (!known && this.#peers.size >= MAX_PEERS) return;
    const name = displayName(id, attributes);
    const peer = known ?? { id };
    Object.assign(peer, { name, callable: attributes.agent === 'trunkline-demo' || Boolean(attributes.name), seen: this.#round, away: false });
    if (!known) {
      peer.item = view.peerItem(peer);
      this.#peers.set(id, peer);
      this.#nodes.peers.append(peer.item);
      this.#log(directed ? `${name} is here` : `${name} joined`);
    }
    if (!directed) {
      this.#signalling.direct(id, '/announce', this.#signalling.attributes());
      this.#resume(id);
    }
    this.#refresh(id);
  }

  /** Someone left the room; a line that still carries bytes outlives that. */
  #left(id) {
    const peer = this.#peers.get(id);
    if (!peer) return;
    const entry = this.#calls.get(id);
    if (entry?.call.live && entry.call.flowing) {
      if (!peer.away) this.#log(`${peer.name} lost the server; your call goes on`, 'warn');
      peer.away = true;
      this.#refresh(id);
      return;
    }
    this.#log(`${peer.name} left`);
    entry?.call.close('ended', `${peer.name} left`);
    this.#forget(id);
  }

  #forget(id) {
    this.#peers.get(id)?.item.remove();
    this.#peers.delete(id);
    this.#onChange();
  }

  #onPeerClick({ target }) {
    const button = target.closest('button[data-action]');
    const id = button?.closest('[data-peer]')?.dataset.peer;
    if (!id) return;
    const { action } = button.dataset;
    if (action === 'call-video') this.#dial(id, 'video');
    if (action === 'call-data') this.#dial(id, 'data');
    if (action === 'hangup') this.hangUp(id);
    this.#keepFocus(id);
  }

  /** The button just pressed is replaced by another: keep the keyboard there. */
  #keepFocus(id) {
    const item = this.#peers.get(id)?.item;
    item?.querySelector('button:not([hidden])')?.focus({ preventScroll: true });
  }

  // --- calls ---

  #dial(id, media) {
    if (this.#calls.get(id)?.call.live || this.#full()) return;
    this.#log(`Calling ${this.nameOf(id)} (${media === 'video' ? 'camera' : 'data only'})`);
    this.#signalling.direct(id, '/call', { media });
    this.#start(id, media, true);
  }

  #called(id, media) {
    if (!this.#peers.has(id)) return;
    const running = this.#calls.get(id);
    if (running?.call.live && running.call.yields) {
      this.#log(`${this.nameOf(id)} called at the same moment: taking theirs`);
      this.#start(id, running.call.media === 'video' ? 'video' : media, false);
      return;
    }
    if (running?.call.live) { // ours goes first, or they add a camera
      if (media === 'video') this.#addCamera(running);
      return;
    }
    if (this.#full()) {
      this.#signalling.direct(id, '/hangup', { reason: 'busy' });
      return;
    }
    this.#log(`${this.nameOf(id)} calls (${media === 'video' ? 'camera' : 'data only'}): accepted`);
    this.#start(id, media, false);
  }

  /** One of us was away: say again what may have been lost. */
  #resume(id) {
    const call = this.#calls.get(id)?.call;
    if (!call?.live) return;
    if (call.unanswered) this.#signalling.direct(id, '/call', { media: call.media });
    call.nudge();
  }

  #full() {
    const live = [...this.#calls.values()].filter(({ call }) => call.live).length;
    if (live >= MAX_CALLS) this.#log(`No more than ${MAX_CALLS} calls at once`, 'warn');
    return live >= MAX_CALLS;
  }

  #start(id, media, initiator) {
    this.#dropCall(id);
    const send = (cmd, data) => this.#signalling.direct(id, cmd, data);
    let call;
    try {
      call = new Call({ selfId: this.#me.id, peerId: id, peerName: this.nameOf(id), media, initiator, send });
    } catch (error) {
      this.#log(`This browser cannot make calls: ${error.message}`, 'error');
      this.#signalling.direct(id, '/hangup', { reason: 'failed' });
      return;
    }
    const card = view.callCard(call, this.#me.id, this.#me.name);
    const entry = { call, card, usesCamera: false, timer: 0 };
    this.#calls.set(id, entry);
    this.#nodes.calls.append(card);
    call.addEventListener('note', ({ detail }) => this.#log(detail, call.state === 'failed' ? 'error' : 'info'));
    call.addEventListener('track', ({ detail }) => view.showTrack(card, detail));
    call.addEventListener('change', () => this.#onCallChange(id, entry));
    if (media === 'video') this.#addCamera(entry);
    this.#refresh(id);
    if (initiator) card.scrollIntoView({ block: 'nearest' });
  }

  async #addCamera(entry) {
    if (entry.usesCamera) return;
    const { call, card } = entry;
    entry.usesCamera = true;
    call.media = 'video';
    view.updateCallCard(card, call);
    const { stream, note } = await acquire();
    if (!call.live) return;
    if (note) this.#log(note, 'warn');
    view.showNote(card, note);
    if (stream) {
      view.showLocal(card, stream);
      call.attach(stream);
    }
  }

  #onCallChange(id, entry) {
    const { call, card } = entry;
    view.updateCallCard(card, call);
    if (!call.live) this.#finish(id, entry);
    this.#refresh(id);
  }

  #finish(id, entry) {
    if (entry.usesCamera) release();
    entry.usesCamera = false;
    view.showNote(entry.card, '');
    if (this.#peers.get(id)?.away) this.#forget(id);
    if (entry.call.state === 'ended') {
      entry.timer = setTimeout(() => this.#calls.get(id) === entry && this.#dropCall(id), ENDED_SHOWN_MS);
    }
  }

  #hungUp(id, reason) {
    const call = this.#calls.get(id)?.call;
    if (!call?.live) return;
    const name = this.nameOf(id);
    if (reason === 'failed') call.fail();
    else call.close('ended', reason === 'busy' ? `${name} has no free line` : `${name} hung up`);
  }

  #dropCall(id) {
    const entry = this.#calls.get(id);
    if (!entry) return;
    clearTimeout(entry.timer);
    entry.call.close('ended', 'Replaced by a new call');
    this.#calls.delete(id);
    entry.card.remove();
    this.#refresh(id);
  }

  #onCardClick({ target }) {
    const button = target.closest('button[data-action]');
    const card = button?.closest('[data-call]');
    if (!card) return;
    const id = card.dataset.call;
    if (button.dataset.action === 'unmute') view.unmute(card);
    else if (this.#calls.get(id)?.call.live) this.hangUp(id);
    else this.#dropCall(id);
  }

  #refresh(id) {
    const peer = this.#peers.get(id);
    if (peer) view.updatePeerItem(peer.item, peer, this.#calls.get(id)?.call);
    this.#onChange();
  }
}
