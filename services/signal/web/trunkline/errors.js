// What went wrong: `reason` is for programs where a peer or a message is concerned, `code` where a frame or a socket is.

const WORDS = {
  'no-match': 'nobody in the room is meant',
  declined: 'the peer does not want to',
  gone: 'the peer has left',
  suspended: 'the connection of the peer is lost, and it may return',
  unreachable: 'there is no way to the peer now',
  overloaded: 'too much waits already',
  timeout: 'it took too long',
  'no-path': 'neither a direct path nor a relay leads to the peer',
  negotiation: 'the browsers do not agree on what to send',
  dialect: 'the peer speaks a dialect in which there are no calls',
};

/** A reason that another page gives: one of ours, or just that it does not want to. */
export const knownReason = (word) => (Object.hasOwn(WORDS, word) ? word : 'declined');

export class SignallingError extends Error {
  constructor({ reason, code, message, peer, temporary }) {
    super(message ?? WORDS[reason] ?? code ?? reason);
    this.name = 'SignallingError';
    if (reason !== undefined) this.reason = reason;
    if (code !== undefined) this.code = code;
    if (peer !== undefined) this.peer = peer;
    if (temporary !== undefined) this.temporary = temporary;
  }
}

export const because = (reason, peer) => new SignallingError({ reason, peer });

export const notAnnounced = () => new SignallingError({ code: 'not-announced', message: 'announce first' });

export const tooLong = (what, most) =>
  new SignallingError({ code: 'too-long', message: `${what} has at most ${most} bytes` });

/** A promise that is not kept. */
export function rejected(error) {
  const { promise, reject } = deferred();
  reject(error);
  return promise;
}

/** A promise and its two ends. */
export function deferred() {
  const ends = {};
  ends.promise = new Promise((resolve, reject) => Object.assign(ends, { resolve, reject }));
  // Who does not look at the outcome is not told of it as of an error nobody handles.
  ends.promise.catch(() => {});
  return ends;
}
