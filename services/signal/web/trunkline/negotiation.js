// Perfect negotiation between two of this library: either side may change what it sends at any time, and where both do so
// at once, the one with the greater id gives way.

const MOST_EARLY = 128; // candidates that wait for a description; a browser gathers a dozen or two

export class Negotiation {
  #pc; #isPolite; #say; #failed;
  #hasBegun = false;
  #isOffering = false;
  #ignoresOffer = false;
  #early = [];
  #jobs = Promise.resolve();
  #ended = new AbortController();

  /** `say` takes what the other side is to hear, `failed` an error after which nothing goes on. */
  constructor({ pc, isPolite, say, failed }) {
    this.#pc = pc;
    this.#isPolite = isPolite;
    this.#say = say;
    this.#failed = failed;
  }

  start() {
    const { signal } = this.#ended;
    this.#pc.addEventListener('negotiationneeded', () => this.#hasBegun && this.#offer(), { signal });
    this.#pc.addEventListener('icecandidate', ({ candidate }) => this.#tellCandidate(candidate), { signal });
    // Whoever called: always the same side offers first. A first offer that is taken back would leave Chromium unable to
    // start its data channels, so there must never be two.
    if (!this.#isPolite) this.#enqueue(() => this.#begin(() => this.#say({ begin: true })));
  }

  stop() {
    this.#ended.abort();
  }

  /** The other side has said something, in the order in which it did. */
  receive({ description, candidate, begin }) {
    if (description) this.#enqueue(() => this.#describe(description));
    else if (candidate !== undefined) this.#enqueue(() => this.#addCandidate(candidate));
    else if (begin) this.#enqueue(() => this.#begin(() => this.#isPolite && this.#say({ begin: true })));
  }

  /** Looks for a path again. */
  restart() {
    this.#pc.restartIce();
  }

  /** What was said last may be lost. */
  nudge() {
    if (this.#pc.signalingState === 'have-local-offer') this.#tell();
    else if (this.#pc.remoteDescription && this.#pc.connectionState !== 'connected') this.restart();
  }

  /** Offers what there is to send or receive; an offer of nothing would lead nowhere, so then it is the other's turn. */
  async #begin(otherwise) {
    if (this.#hasBegun) return;
    const { sdp } = await this.#pc.createOffer();
    if (/^m=/m.test(sdp)) {
      this.#hasBegun = true;
      await this.#offer();
    } else {
      otherwise();
    }
  }

  async #offer() {
    try {
      this.#isOffering = true;
      await this.#pc.setLocalDescription();
      this.#tell();
    } catch (error) {
      if (!this.#isOver) this.#failed(error);
    } finally {
      this.#isOffering = false;
    }
  }

  #tell() {
    const { type, sdp } = this.#pc.localDescription;
    this.#say({ description: { type, sdp } });
  }

  async #describe({ type, sdp }) {
    const pc = this.#pc;
    const isBusy = this.#isOffering || pc.signalingState !== 'stable';
    this.#ignoresOffer = type === 'offer' && isBusy && !this.#isPolite;
    if (this.#ignoresOffer) return;
    if (type === 'answer' && pc.signalingState !== 'have-local-offer') return;
    await pc.setRemoteDescription({ type, sdp });
    this.#hasBegun = true;
    for (const early of this.#early.splice(0)) await this.#addCandidate(early);
    if (type !== 'offer') return;
    await pc.setLocalDescription();
    this.#tell();
  }

  #tellCandidate(candidate) {
    if (candidate && !candidate.candidate) return; // Firefox says the end twice
    this.#say({ candidate: candidate ? candidate.toJSON() : null });
  }

  /**
   * Also while an offer is ignored: the other side takes that offer back, but its transports stay as its last answer
   * made them, and with them their candidates, which it does not send again.
   */
  async #addCandidate(candidate) {
    if (!this.#pc.remoteDescription) {
      if (this.#early.length < MOST_EARLY) this.#early.push(candidate);
      return;
    }
    try {
      await (candidate ? this.#pc.addIceCandidate(candidate) : this.#pc.addIceCandidate());
    } catch {
      // One that fits no part of the description is of no use, and costs nothing but itself.
    }
  }

  /** One after the other: a candidate waits for its description. */
  #enqueue(job) {
    this.#jobs = this.#jobs.then(() => (this.#isOver ? undefined : job())).catch((error) => {
      if (!this.#isOver) this.#failed(error);
    });
  }

  get #isOver() {
    return this.#ended.signal.aborted || this.#pc.signalingState === 'closed';
  }
}
