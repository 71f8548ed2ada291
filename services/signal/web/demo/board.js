// The board: who is here, and the calls with them. Keeps list and cards in step.

import { Call } from './call.js';
import { acquire, release } from './media.js';
import { displayName } from './names.js';
import * as view from './view.js';

const MAX_PEERS = 200;
const MAX_CALLS = 8;
const ENDED_SHOWN_MS = 6000;
const MISSED_SHOWN_MS = 60000; // declined or unanswered: long enough to be read later
const ENDINGS = { busy: 'has no free line', declined: 'declined' };

const inWords = (media) => (media === 'video' ? 'camera' : 'data only');

export class Board {
  #me; #signalling; #log; #nodes; #onChange;
  #peers = new Map(); // id -> { id, name, callable, away, item }
  #calls = new Map(); // id -> { call, card, timer }

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

  /** The calls that wait for us to answer, oldest first. */
  get ringing() {
    return [...this.#calls.values()].map(({ call }) => call).filter(({ state }) => state === 'ringing');
  }

  nameOf(id) {
    return this.#peers.get(id)?.name ?? displayName(id, {});
  }

  /** What somebody in the room says. */
  receive({ cmd, from, data, directed }) {
    const entry = this.#calls.get(from);
    switch (cmd) {
      case '/call': if (directed) this.#called(from, data.media === 'video' ? 'video' : 'data'); break;
      case '/answered': if (directed) this.#answered(from, data.media); break;
      case '/hangup': if (directed) this.#hungUp(from, data.reason); break;
      case '/description': if (directed) entry?.call.onDescription(data); break;
      case '/candidate': if (directed) entry?.call.onCandidate(data); break;
      default: // another dialect shares the room
    }
  }

  /** We are (again) in the room. */
  joined() {
    for (const id of this.#calls.keys()) this.#resume(id);
  }

  /** Hang up on everybody and forget the room. */
  clear() {
    for (const id of [...this.#calls.keys()]) {
      this.hangUp(id);
      this.#dropCall(id);
    }
    this.#peers.clear();
    this.#nodes.peers.replaceChildren();
    this.#onChange();
  }

  hangUp(id) {
    const call = this.#calls.get(id)?.call;
    if (!call?.live) return;
    const declining = call.state === 'ringing';
    const answered = call.wasAnswered;
    this.#signalling.direct(id, '/hangup', { reason: declining ? 'declined' : 'ended' });
    if (!answered) this.#log(declining ? `You declined the call from ${call.peerName}` : `You gave up calling ${call.peerName}`);
    call.close('ended', 'You ended the call');
    if (!answered) this.#dropCall(id);
  }

  // --- people ---

  /** Somebody is there, announces something else, or is back. */
  present({ id, data }) {
    const known = this.#peers.get(id);
    if (!known && this.#peers.size >= MAX_PEERS) return;
    const name = displayName(id, data);
    const peer = known ?? { id };
    Object.assign(peer, { name, callable: data.agent === 'trunkline-demo' || Boolean(data.name), away: false });
    if (known) {
      this.#resume(id);
    } else {
      peer.item = view.peerItem(peer);
      this.#peers.set(id, peer);
      this.#nodes.peers.append(peer.item);
      this.#log(this.#signalling.state === 'joined' ? `${name} joined` : `${name} is here`);
    }
    const entry = this.#calls.get(id);
    if (entry && entry.call.peerName !== name) {
      entry.call.peerName = name;
      view.updateCallCard(entry.card, entry.call);
    }
    this.#refresh(id);
  }

  /** Someone left the room; a line that still carries bytes outlives that. */
  left({ id }) {
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
    if (entry?.call.state === 'ringing') this.#dropCall(id);
    else entry?.call.close('ended', `${peer.name} left`);
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

  #onCardClick({ target }) {
    const button = target.closest('button[data-action]');
    const card = button?.closest('[data-call]');
    if (!card) return;
    const id = card.dataset.call;
    const entry = this.#calls.get(id);
    switch (button.dataset.action) {
      case 'unmute': view.unmute(card); break;
      case 'answer-video': this.#answer(id, 'video'); break;
      case 'answer-data': this.#answer(id, 'data'); break;
      case 'send-video': if (entry.call.up) this.#addCamera(entry); break;
      default: // decline, hang up or dismiss
        if (entry.call.live) this.hangUp(id);
        else this.#dropCall(id);
    }
    if (!card.isConnected) this.#keepFocus(id);
    else if (button.hidden) view.focusFirst(card);
  }

  /** The button just pressed is replaced by another: keep the keyboard there. */
  #keepFocus(id) {
    const item = this.#peers.get(id)?.item;
    item?.querySelector('button:not([hidden])')?.focus({ preventScroll: true });
  }

  // --- calls ---

  #dial(id, media) {
    const call = this.#calls.get(id)?.call;
    if (call?.state === 'ringing') { // both want the same
      this.#answer(id, media);
      return;
    }
    if (call?.live || this.#full()) return;
    this.#log(`Calling ${this.nameOf(id)} (${inWords(media)})`);
    this.#signalling.direct(id, '/call', { media });
    const entry = this.#open(id, media, false);
    if (media === 'video') this.#addCamera(entry);
    entry.card.scrollIntoView({ block: 'nearest' });
  }

  /** They call: it rings, and nothing else happens before somebody here answers. */
  #called(id, media) {
    if (!this.#peers.has(id)) return;
    const entry = this.#calls.get(id);
    const call = entry?.call;
    if (call?.state === 'ringing') return; // said again after an outage
    if (call?.state === 'calling') {
      this.#log(`${this.nameOf(id)} called at the same moment`);
      if (media === 'video') call.media = 'video';
      this.#accept(id, entry, call.sending ? 'video' : 'data');
    } else if (call?.up && !call.heard) { // our answer was lost
      this.#signalling.direct(id, '/answered', { media: call.sending ? 'video' : 'data' });
    } else if (this.#full()) {
      this.#signalling.direct(id, '/hangup', { reason: 'busy' });
    } else {
      this.#log(`${this.nameOf(id)} calls (${inWords(media)})`);
      view.drawAttention(this.#open(id, media, true).card);
    }
  }

  #answer(id, media) {
    const entry = this.#calls.get(id);
    if (entry?.call.state !== 'ringing') return;
    this.#log(`You answered ${this.nameOf(id)} (${inWords(media)})`);
    if (media === 'video') entry.call.media = 'video';
    this.#accept(id, entry, media);
    if (media === 'video' && entry.call.live) this.#addCamera(entry);
  }

  #accept(id, entry, media) {
    this.#signalling.direct(id, '/answered', { media });
    this.#connect(id, entry);
  }

  #answered(id, media) {
    const entry = this.#calls.get(id);
    if (!entry?.call.live) { // we hung up while they reached for the button
      this.#signalling.direct(id, '/hangup', { reason: 'ended' });
    } else if (entry.call.state === 'calling') {
      this.#log(`${this.nameOf(id)} answered`);
      if (media === 'video') entry.call.media = 'video';
      this.#connect(id, entry);
    }
  }

  #connect(id, { call }) {
    try {
      call.connect();
    } catch (error) {
      this.#signalling.direct(id, '/hangup', { reason: 'failed' });
      call.close('failed', `This browser cannot make calls: ${error.message}`);
    }
  }

  /** One of us was away: say again what may have been lost. */
  #resume(id) {
    const call = this.#calls.get(id)?.call;
    if (!call?.live) return;
    const media = call.sending ? 'video' : 'data';
    if (call.state === 'calling') this.#signalling.direct(id, '/call', { media });
    if (call.up && !call.heard) this.#signalling.direct(id, '/answered', { media });
    call.nudge();
  }

  #full() {
    const live = [...this.#calls.values()].filter(({ call }) => call.live).length;
    if (live >= MAX_CALLS) this.#log(`No more than ${MAX_CALLS} calls at once`, 'warn');
    return live >= MAX_CALLS;
  }

  /** A card that rings, here or over there. */
  #open(id, media, incoming) {
    this.#dropCall(id);
    const send = (cmd, data) => this.#signalling.direct(id, cmd, data);
    const open = () => this.#signalling.connect();
    const call = new Call({ selfId: this.#me.id, peerId: id, peerName: this.nameOf(id), media, incoming, open, send });
    const card = view.callCard(call, this.#me.id, this.#me.name);
    const entry = { call, card, timer: 0 };
    this.#calls.set(id, entry);
    this.#nodes.calls.append(card);
    call.addEventListener('note', ({ detail }) => this.#log(detail, call.state === 'failed' ? 'error' : 'info'));
    call.addEventListener('track', ({ detail }) => this.#onTrack(id, entry, detail));
    call.addEventListener('change', () => this.#onCallChange(id, entry));
    this.#refresh(id);
    return entry;
  }

  /** Their picture may come at any time; that is no reason to send ours. */
  #onTrack(id, entry, track) {
    if (track.kind === 'video') entry.call.media = 'video';
    view.showTrack(entry.card, track);
    this.#onCallChange(id, entry);
  }

  /** Only ever because somebody here asked for it. */
  async #addCamera(entry) {
    const { call, card } = entry;
    if (call.sending) return;
    call.sending = true;
    call.media = 'video';
    view.updateCallCard(card, call);
    const { stream, note } = await acquire();
    if (!call.live) return;
    if (note) this.#log(note, 'warn');
    view.showNote(card, note);
    if (stream) {
      view.showLocal(card, stream);
      call.attach(stream);
      return;
    }
    release(); // so that another try asks the browser anew
    call.sending = false;
    view.updateCallCard(card, call);
  }

  #onCallChange(id, entry) {
    const { call, card } = entry;
    view.updateCallCard(card, call);
    if (!call.live) this.#finish(id, entry);
    this.#refresh(id);
  }

  #finish(id, entry) {
    if (entry.call.sending) release();
    entry.call.sending = false;
    view.showNote(entry.card, '');
    if (this.#peers.get(id)?.away) this.#forget(id);
    if (entry.call.state === 'ended') {
      const shown = entry.call.wasAnswered ? ENDED_SHOWN_MS : MISSED_SHOWN_MS;
      entry.timer = setTimeout(() => this.#calls.get(id) === entry && this.#dropCall(id), shown);
    }
  }

  #hungUp(id, reason) {
    const call = this.#calls.get(id)?.call;
    if (!call?.live) return;
    const name = this.nameOf(id);
    if (reason === 'unanswered' && !call.wasAnswered) call.miss();
    else if (call.state === 'ringing') {
      this.#log(`${name} gave up calling`);
      this.#dropCall(id);
    } else if (reason === 'failed') call.fail();
    else call.close('ended', `${name} ${ENDINGS[reason] ?? 'hung up'}`);
  }

  #dropCall(id) {
    const entry = this.#calls.get(id);
    if (!entry) return;
    const hadFocus = entry.card.contains(document.activeElement);
    entry.call.close('ended', 'Replaced by a new call');
    clearTimeout(entry.timer);
    this.#calls.delete(id);
    entry.card.remove();
    this.#refresh(id);
    if (hadFocus) this.#keepFocus(id);
  }

  #refresh(id) {
    const peer = this.#peers.get(id);
    if (peer) view.updatePeerItem(peer.item, peer, this.#calls.get(id)?.call);
    this.#onChange();
  }
}
