// What the room is told of us: what is wanted, what a node has taken, and who waits to hear of it. No I/O.

const RETRY_MS = 500;
const SLACK_MS = 5000;

export class Announcement {
  #wanted = null; // { data }
  #agreed = null; // the last one that a node has taken
  #asked = []; // those that are not answered: { announced, ends, isOver, known }
  #waiting = []; // the ends of promises for which none is under way
  #claim = { until: 0, at: Infinity }; // while a connection that was lost still holds the id for us

  want(data, ends) {
    this.#wanted = { data };
    this.#waiting.push(ends);
  }

  get isWanted() {
    return this.#wanted !== null;
  }

  get isAsked() {
    return this.#asked.some(({ isOver }) => !isOver);
  }

  /** It is on its way, together with what is `known` of the room; gives its data. */
  say(known) {
    this.#claim.at = Infinity;
    this.#asked.push({ announced: this.#wanted, ends: this.#waiting.splice(0), isOver: false, known });
    return this.#wanted.data;
  }

  /**
   * The oldest is answered. Gives whose promises are kept by that, and what was said to be known; or null where we have
   * left meanwhile.
   */
  taken() {
    const { announced = this.#wanted, ends = [], isOver = false, known = null } = this.#asked.shift() ?? {};
    if (isOver) return null;
    this.#agreed = announced;
    this.#claim = { until: 0, at: Infinity };
    return { ends, known };
  }

  /**
   * The oldest is refused. Gives whose promises are broken by that, and the fate of the rest: 'later', where it is said
   * again since the last connection may still hold the id for us, 'as another' where it is said so at once, 'stays' where
   * we are in the room, or may still come to be, and 'out' where we are in none.
   */
  refused(now, { isInUse, canChange, isTemporary, isPresent }) {
    const { announced = this.#agreed, ends = [], isOver = false } = this.#asked.shift() ?? {};
    if (isOver) return { fate: 'later', ends: [] };
    const isClaimed = now < this.#claim.until;
    if (isInUse && (isClaimed || canChange)) {
      this.#waiting.unshift(...ends);
      this.#claim.at = isClaimed ? now + RETRY_MS : now;
      return { fate: isClaimed ? 'later' : 'as another', ends: [] };
    }
    if (this.#asked.length > 0) return { fate: 'stays', ends };
    // Not again on the next socket: what was agreed on before is.
    this.#wanted = this.#agreed;
    if (isPresent && !isInUse) return { fate: 'stays', ends };
    const isSame = announced === this.#agreed;
    if (!this.#agreed || isInUse || (isSame && !isTemporary)) return { fate: 'out', ends };
    this.#claim.at = isSame ? now + RETRY_MS : now;
    return { fate: 'stays', ends };
  }

  /** The socket is lost. A node may have heard what it did not answer: then it keeps the id for us. */
  lost(wasPresent, now, windowMs) {
    if (wasPresent || this.isAsked) this.#claim.until = now + windowMs + SLACK_MS;
    this.#claim.at = Infinity;
    for (const { ends } of this.#asked.splice(0).reverse()) this.#waiting.unshift(...ends);
  }

  /** Nothing is wanted any more. Gives whose promises are not kept. */
  drop() {
    this.#wanted = this.#agreed = null;
    this.#claim.at = Infinity;
    const ends = [...this.#asked.flatMap((asked) => asked.ends.splice(0)), ...this.#waiting.splice(0)];
    for (const asked of this.#asked) asked.isOver = true;
    return ends;
  }

  deadline() {
    return this.#claim.at;
  }
}
