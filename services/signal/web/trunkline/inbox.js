// What others have said: each message once and in order, and what is to be acknowledged. No I/O.

const MOST_SESSIONS = 3; // of one peer: messages of an older page may still be on their way
const MOST_PEERS = 4096;

export class Inbox {
  #peers = new Map(); // peer → Map(session → { expected, heard }), the one heard of last at the end
  #owed = new Map(); // `session peer` → an ack

  #stream(from, session, first) {
    let sessions = this.#peers.get(from);
    this.#peers.delete(from);
    this.#peers.set(from, (sessions ??= new Map()));
    if (this.#peers.size > MOST_PEERS) this.#peers.delete(this.#peers.keys().next().value);
    let stream = sessions.get(session);
    if (!stream) {
      stream = { expected: first, heard: 0 };
      sessions.set(session, stream);
      if (sessions.size > MOST_SESSIONS) sessions.delete(sessions.keys().next().value);
    }
    return stream;
  }

  /** Whether a message is to be delivered: it is neither here already nor before its turn. */
  take({ from, session, n, first = n, to }) {
    if (session === undefined || n === undefined) return true; // of a dialect without numbers
    if (to === undefined) return this.#takeBroadcast(from, session, n);
    const stream = this.#stream(from, session, first);
    // What is before `first` its sender has given up, or we had it in an earlier life.
    stream.expected = Math.max(stream.expected ?? first, first);
    if (n > stream.expected) return false;
    const isNext = n === stream.expected;
    if (isNext) stream.expected += 1;
    this.#owe(from, session, stream);
    return isNext;
  }

  #takeBroadcast(from, session, n) {
    const stream = this.#stream(from, session, null);
    if (n <= stream.heard) return false;
    stream.heard = n;
    return true;
  }

  #owe(from, session, { expected }) {
    if (expected > 1) this.#owed.set(`${session} ${from}`, { type: 'ack', from, session, n: expected - 1 });
  }

  get owes() {
    return this.#owed.size > 0;
  }

  /** The acks that are due, one for each sender, which covers all before it. */
  acks() {
    const acks = [...this.#owed.values()];
    this.#owed.clear();
    return acks;
  }

  /** A socket was lost, and with it perhaps acks: those who are still there are told again. */
  oweAgain(isPresent) {
    this.#owed.clear();
    for (const [from, sessions] of this.#peers) {
      if (!isPresent(from)) continue;
      for (const [session, stream] of sessions) if (stream.expected !== null) this.#owe(from, session, stream);
    }
  }
}
