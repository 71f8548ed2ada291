// One call with one peer: it rings, and once answered it is one RTCPeerConnection, by the library's perfect
// negotiation. Before the answer there is no connection, so nothing of either side is given away.
//
// Events:  "change"  something to show changed (state, detail, pair, channelRtt)
//          "track"   detail = MediaStreamTrack of the other side
//          "note"    detail = a line for the log
//
// state is ringing (they call) | calling (we call) | connecting | connected | failed | ended.

import { Negotiation } from '/trunkline/negotiation.js';

import { milliseconds, pairText, readPair } from './stats.js';

const RING_MS = 45000;
const CONNECT_MS = 30000;
const RECOVER_MS = 12000;
const POLL_MS = 1000;

export class Call extends EventTarget {
  state;
  detail;
  pair = null;
  channelRtt = null;
  media; // 'video' when either of the two sends or wants to send a picture
  sending = false; // whether our camera is meant to be in this call
  heard = false; // whether anything about the connection came from the other side
  peerId;
  peerName;
  #open; #send; #polite;
  #answered = false;
  #pc = null; // until it is answered
  #negotiation = null;
  #channel = null;
  #stream = null;
  #candidates = { sent: 0, got: 0 };
  #everConnected = false;
  #restarted = false;
  #relayOffered = false;
  #deadline = 0;
  #poll = 0;
  #pings = new Map();
  #pairSeen = '';

  /** `open` makes an RTCPeerConnection, `send` takes a command and data for the other side. */
  constructor({ selfId, peerId, peerName, media, incoming, open, send }) {
    super();
    Object.assign(this, { peerId, peerName, media });
    this.#open = open;
    this.#send = send;
    this.#polite = selfId > peerId;
    this.state = incoming ? 'ringing' : 'calling';
    const withWhat = media === 'video' ? 'with camera' : 'with data only';
    this.detail = incoming ? `Calls you ${withWhat}` : 'Calling, no answer yet';
    this.#expect(RING_MS, () => this.#onUnanswered());
  }

  /** Both want it: look for a path. Throws where a browser has no WebRTC. */
  connect() {
    if (this.#answered || !this.live) return;
    if (!('RTCPeerConnection' in window)) throw new Error('it has no WebRTC');
    this.#answered = true;
    this.#expect(CONNECT_MS, () => this.#giveUp());
    this.#setState('connecting', 'Looking for a path');
    this.#start();
  }

  get live() {
    return this.state === 'ringing' || this.state === 'calling' || this.up;
  }

  /** Answered and not over. */
  get up() {
    return this.state === 'connecting' || this.state === 'connected';
  }

  get wasAnswered() {
    return this.#answered;
  }

  /** True while bytes really pass between the two, whatever signalling says. */
  get flowing() {
    return this.#pc?.connectionState === 'connected' && this.#channel?.readyState === 'open';
  }

  /** Send this camera to the other side, now or as soon as the connection allows it. */
  attach(stream) {
    this.#stream = stream;
    if (this.up) this.#attachNow(); // else when it is answered
  }

  onDescription(description) {
    this.heard ||= this.up;
    if (this.up) this.#negotiation?.receive({ description });
  }

  /** One without an address says that there are no more. */
  onCandidate(candidate) {
    if (!this.up) return;
    if (candidate.candidate) this.#candidates.got += 1;
    this.#negotiation?.receive({ candidate: candidate.candidate ? candidate : null });
  }

  /** Signalling came back: an offer or candidates may have been lost meanwhile. */
  nudge() {
    if (this.up) this.#negotiation?.nudge();
  }

  /** It cannot work, and the other side knows: say why. */
  fail() {
    if (this.live) this.close('failed', this.#reason());
  }

  close(state, detail) {
    if (!this.live) return;
    clearTimeout(this.#deadline);
    clearInterval(this.#poll);
    this.#negotiation?.stop();
    this.#channel?.close();
    this.#pc?.close();
    this.channelRtt = null;
    this.#setState(state, detail);
  }

  // --- setting up ---

  #start() {
    try {
      this.#pc = this.#open();
    } catch (error) {
      this.#send('/hangup', { reason: 'failed' });
      this.close('failed', `This browser cannot use the server's list of STUN and TURN servers: ${error.message}`);
      return;
    }
    const { iceServers } = this.#pc.getConfiguration();
    this.#relayOffered = iceServers.some(({ urls }) => [urls].flat().some((url) => /^turns?:/.test(url)));
    this.#listen();
    if (this.media === 'video' && !this.#polite) {
      this.#pc.addTransceiver('audio', { direction: 'recvonly' });
      this.#pc.addTransceiver('video', { direction: 'recvonly' });
    }
    this.#openChannel();
    this.#attachNow();
    this.#negotiation = new Negotiation({
      pc: this.#pc,
      isPolite: this.#polite,
      say: (words) => this.#say(words),
      failed: (error) => this.live && this.#note(`negotiation went wrong: ${error.message}`),
    });
    this.#negotiation.start();
  }

  /** There is a channel to offer, so nobody asks the other side to begin. */
  #say({ description, candidate }) {
    if (description) this.#send('/description', description);
    else this.#send('/candidate', candidate ?? { candidate: '' });
  }

  /** Both sides open channel 0 by agreement, so it matters not who calls. */
  #openChannel() {
    const channel = this.#pc.createDataChannel('trunkline', { negotiated: true, id: 0 });
    this.#channel = channel;
    channel.onopen = () => {
      this.#note('data channel open');
      this.#ping();
    };
    channel.onmessage = ({ data }) => this.#onChannel(data);
    channel.onclose = () => this.live && this.close('ended', `${this.peerName} hung up`);
  }

  #attachNow() {
    const senders = this.#pc.getSenders().map(({ track }) => track);
    for (const track of this.#stream?.getTracks() ?? []) {
      if (!senders.includes(track)) this.#pc.addTrack(track, this.#stream);
    }
  }

  #listen() {
    const pc = this.#pc;
    pc.onicecandidate = ({ candidate }) => { if (candidate?.candidate) this.#candidates.sent += 1; };
    pc.ontrack = ({ track }) => this.#emit('track', track);
    pc.oniceconnectionstatechange = () => this.#note(`ICE ${pc.iceConnectionState}`);
    pc.onconnectionstatechange = () => this.#onConnection(pc.connectionState);
  }

  // --- the connection's life ---

  #onConnection(state) {
    if (!this.live) return;
    if (state === 'connected') {
      this.#everConnected = true;
      this.#restarted = false;
      clearTimeout(this.#deadline);
      this.#poll ||= setInterval(() => this.#measure(), POLL_MS);
      this.#setState('connected', 'Connected');
      this.#measure();
    } else if (state === 'disconnected') {
      this.#setState('connecting', 'Line interrupted, waiting for it to come back');
    } else if (state === 'failed') {
      this.#onFailed();
    }
  }

  /** A path that worked once gets one second chance, by an ICE restart. */
  #onFailed() {
    if (this.#everConnected && !this.#restarted) {
      this.#restarted = true;
      this.#setState('connecting', 'Line lost, looking for another path');
      this.#negotiation.restart();
      this.#expect(RECOVER_MS, () => this.#giveUp());
    } else {
      this.#giveUp();
    }
  }

  /** Something has to happen within `ms`, else `otherwise`. */
  #expect(ms, otherwise) {
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(otherwise, ms);
  }

  /** Each side counts for itself; the word makes the other say it at the same time. */
  #onUnanswered() {
    this.#send('/hangup', { reason: 'unanswered' });
    this.miss();
  }

  /** Nobody picked up. */
  miss() {
    this.close('ended', this.state === 'ringing' ? 'Missed: you did not answer' : `${this.peerName} did not answer`);
  }

  #giveUp() {
    this.#send('/hangup', { reason: 'failed' });
    this.fail();
  }

  #reason() {
    const { sent, got } = this.#candidates;
    if (!this.#pc) return `${this.peerName} could not take the call.`;
    if (!this.#pc.remoteDescription) return `${this.peerName} did not answer. Their page may be asleep.`;
    if (sent === 0) return 'This browser found no network address to offer.';
    if (got === 0) return `No network address arrived from ${this.peerName}.`;
    return this.#relayOffered
      ? 'Neither a direct path nor the relay could be reached.'
      : 'No direct path between you two, and this server offers no relay.';
  }

  // --- measuring ---

  async #measure() {
    this.#ping();
    const pair = await readPair(this.#pc).catch(() => null);
    if (!pair || this.state !== 'connected') return;
    this.pair = { kind: pair.kind, text: pairText(pair) };
    const seen = [pair.kind, pair.family, pair.protocol, pair.types].join(', ');
    if (seen !== this.#pairSeen) this.#note(`path in use: ${seen}`);
    this.#pairSeen = seen;
    this.#emit('change');
  }

  #ping() {
    if (this.#channel?.readyState !== 'open') return;
    const stamp = Math.round(performance.now() * 1000);
    this.#pings.clear();
    this.#pings.set(stamp, performance.now());
    this.#write({ ping: stamp });
  }

  /** A channel may close between the question whether it is open and the sending. */
  #write(message) {
    if (this.#channel?.readyState !== 'open') return;
    try { this.#channel.send(JSON.stringify(message)); } catch { /* its end is told by onclose */ }
  }

  #onChannel(data) {
    let message = null;
    try { message = JSON.parse(data); } catch { return; }
    if (Number.isSafeInteger(message?.ping)) {
      this.#write({ pong: message.ping });
    } else if (this.#pings.has(message?.pong)) {
      this.channelRtt = milliseconds(performance.now() - this.#pings.get(message.pong));
      this.#pings.delete(message.pong);
      this.#emit('change');
    }
  }

  #setState(state, detail) {
    if (state !== this.state) this.#note(state === 'connected' ? 'connected' : `${state}: ${detail}`);
    this.state = state;
    this.detail = detail;
    this.#emit('change');
  }

  #note(text) {
    this.#emit('note', `${this.peerName}: ${text}`);
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
