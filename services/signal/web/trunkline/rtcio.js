// Couplings with peers of the rtc.io stack (rtc-tools' couple, of which rtc-quickconnect makes its calls): the side with
// the smaller id makes the offers, both say that they are ready until they hear it from the other, and nobody gives way.

const READY_EVERY_MS = 100;
// One that waits for us says so ten times a second. One that does not has given up on us, and has to be asked to begin anew.
const RECONNECT_AFTER_MS = 1500;
// quickconnect offers by itself. A bare couple waits for somebody to want it.
const NEGOTIATE_AFTER_MS = 600;

/** Messages of these kinds are between couplings; others are for the page. */
const KINDS = new Set([
  '/ready', '/sdp', '/candidate', '/endofcandidates', '/negotiate', '/requestoffer', '/reconnect', '/ping', '/announce',
]);

/** A message's kind and what it says, or null where it is not between couplings. */
export function readOld(body) {
  if (typeof body !== 'string') return null;
  const [kind] = body.split('|', 1);
  if (!KINDS.has(kind)) return null;
  const brace = body.indexOf('{', kind.length);
  return { kind, data: brace < 0 ? {} : parse(body.slice(brace)) };
}

function parse(json) {
  try {
    return Object(JSON.parse(json));
  } catch {
    return {};
  }
}

/** A bar would end the part. */
export function writeOld(kind, sender, data) {
  const parts = data === undefined ? [kind, sender] : [kind, sender, JSON.stringify(data).replaceAll('|', '\\u007c')];
  return parts.join('|');
}

export class OldNegotiation {
  #pc; #isMaster; #say; #failed; #closed;
  #isReady = false; // the other side
  #isOffering = false;
  #wantsOffer = false;
  #early = [];
  #jobs = Promise.resolve();
  #timers = new Set();
  #readyTimer;
  #ended = new AbortController();

  /** `say` takes a kind and data; `closed` is told that the other side has begun anew. */
  constructor({ pc, isMaster, say, failed, closed }) {
    this.#pc = pc;
    this.#isMaster = isMaster;
    this.#say = say;
    this.#failed = failed;
    this.#closed = closed;
  }

  start() {
    const { signal } = this.#ended;
    this.#pc.addEventListener('icecandidate', ({ candidate }) => this.#tellCandidate(candidate), { signal });
    this.#pc.addEventListener('negotiationneeded', () => this.#pc.remoteDescription && this.#want(true), { signal });
    this.#pc.addEventListener('signalingstatechange', () => this.#onSignalingState(), { signal });
    this.#beReady();
    this.#after(RECONNECT_AFTER_MS, () => {
      if (this.#isReady || this.#pc.remoteDescription) return;
      this.#say('/reconnect');
    });
  }

  stop() {
    this.#ended.abort();
    for (const timer of this.#timers) clearTimeout(timer);
  }

  receive({ kind, data }) {
    if (kind === '/ready') this.#onReady();
    else if (kind === '/sdp') this.#enqueue(() => this.#describe(data));
    else if (kind === '/candidate') this.#enqueue(() => this.#addCandidate(data));
    else if (kind === '/negotiate' && this.#isMaster) this.#onNegotiate(data);
    else if (kind === '/requestoffer' && !this.#isMaster) this.#enqueue(() => this.#offer());
    else if (kind === '/reconnect') this.#onReconnect();
  }

  restart() {
    this.#pc.restartIce();
  }

  nudge() {
    if (this.#pc.signalingState === 'have-local-offer') this.#tell();
    else if (this.#pc.remoteDescription && this.#pc.connectionState !== 'connected') this.restart();
    else if (!this.#isReady) this.#say('/ready');
  }

  #beReady() {
    clearTimeout(this.#readyTimer);
    this.#say('/ready');
    if (!this.#isReady && !this.#pc.remoteDescription) this.#readyTimer = this.#after(READY_EVERY_MS, () => this.#beReady());
  }

  #onReady() {
    if (this.#isReady) return;
    this.#isReady = true;
    this.#say('/ready');
    if (this.#pc.signalingState === 'have-local-offer') this.#tell();
    else if (this.#isMaster) this.#enqueue(() => this.#begin());
    else this.#after(NEGOTIATE_AFTER_MS, () => this.#pc.remoteDescription || this.#want(false));
  }

  /** The other side has another connection, for which ours is good only as long as it has not been described. */
  #onReconnect() {
    if (this.#pc.remoteDescription) return this.#closed();
    // A master's word is what the other waits for.
    if (this.#isMaster) this.#say('/reconnect');
    this.#isReady = false;
    return this.#beReady();
  }

  /** Something else is to be sent: a master offers, another one asks for leave to do so, or for an offer. */
  #want(byUs) {
    if (this.#isMaster) this.#enqueue(() => this.#offer());
    else this.#say('/negotiate', { requestOfferer: byUs });
  }

  #onNegotiate({ requestOfferer }) {
    if (this.#pc.signalingState !== 'stable' || this.#isOffering) this.#wantsOffer = true;
    else if (requestOfferer) this.#say('/requestoffer');
    else this.#enqueue(() => this.#offer());
  }

  #onSignalingState() {
    if (this.#pc.signalingState !== 'stable' || !this.#wantsOffer) return;
    this.#wantsOffer = false;
    this.#enqueue(() => this.#offer());
  }

  /** An offer of nothing would lead nowhere: like one of theirs, it offers to receive at least. */
  async #begin() {
    const { sdp } = await this.#pc.createOffer();
    if (!/^m=/m.test(sdp)) {
      for (const kind of ['audio', 'video']) this.#pc.addTransceiver(kind, { direction: 'recvonly' });
    }
    await this.#offer();
  }

  async #offer() {
    if (this.#pc.signalingState !== 'stable') return;
    this.#isOffering = true;
    try {
      await this.#pc.setLocalDescription();
    } finally {
      this.#isOffering = false;
    }
    this.#tell();
  }

  #tell() {
    const { type, sdp } = this.#pc.localDescription;
    this.#say('/sdp', { sdp, type });
  }

  async #describe({ type, sdp }) {
    const pc = this.#pc;
    if (type === 'answer' && pc.signalingState !== 'have-local-offer') return;
    // Two offers at once end with the master's; the other browser takes its own back.
    if (type === 'offer' && this.#isMaster && pc.signalingState !== 'stable') return;
    await pc.setRemoteDescription({ type, sdp });
    for (const early of this.#early.splice(0)) await this.#addCandidate(early);
    if (type !== 'offer') return;
    await pc.setLocalDescription();
    this.#tell();
  }

  #tellCandidate(candidate) {
    if (!candidate) this.#say('/endofcandidates', {});
    else if (candidate.candidate) this.#say('/candidate', pluck(candidate));
  }

  async #addCandidate(candidate) {
    if (!candidate.candidate) return;
    if (!this.#pc.remoteDescription) {
      if (this.#early.length < 128) this.#early.push(candidate);
      return;
    }
    await this.#pc.addIceCandidate(candidate).catch(() => {}); // of no use, which costs nothing but itself
  }

  #after(ms, run) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (!this.#isOver) run();
    }, ms);
    this.#timers.add(timer);
    return timer;
  }

  #enqueue(job) {
    this.#jobs = this.#jobs.then(() => (this.#isOver ? undefined : job())).catch((error) => {
      if (!this.#isOver) this.#failed(error);
    });
  }

  get #isOver() {
    return this.#ended.signal.aborted || this.#pc.signalingState === 'closed';
  }
}

const pluck = ({ candidate, sdpMid, sdpMLineIndex }) => ({ candidate, sdpMid, sdpMLineIndex });
