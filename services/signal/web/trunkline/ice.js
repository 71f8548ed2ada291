// The STUN and TURN servers of the node, with credentials that are renewed before they end, for every connection.

import { clock } from './page.js';

const FIRST_RETRY_MS = 2000;
const LONGEST_RETRY_MS = 30000;
const PATIENCE_MS = 5000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;
// Of the time for which credentials are good.
const RENEWED_AFTER = 0.75;

export class IceServers {
  current = [];
  #url; #told;
  #timer = null;
  #connections = new Map(); // WeakRef → its own servers
  #isClosed = false;

  /**
   * `url` is the WebSocket's, which ends in `/v1/connect`: the same node is asked over HTTP where it does not speak by
   * itself. `told` is.
   */
  constructor({ url, token, told }) {
    this.#url = new URL(url);
    this.#url.protocol = this.#url.protocol.replace(/^ws/, 'http');
    this.#url.pathname = this.#url.pathname.replace(/connect$/, 'ice');
    if (token !== undefined && token !== null) this.#url.searchParams.set('token', token);
    this.#told = told;
  }

  /** A node has told its servers, which are good for `ttl` seconds. */
  take({ iceServers, ttl }) {
    if (this.#isClosed) return;
    this.current = iceServers;
    for (const [ref, own] of this.#connections) this.#configure(ref, own);
    this.#renewIn(ttl > 0 ? ttl * 1000 * RENEWED_AFTER : Infinity, FIRST_RETRY_MS);
    this.#told({ iceServers, ttl });
  }

  connect({ iceServers: own = [], ...configuration }) {
    const connection = new RTCPeerConnection({ ...configuration, iceServers: [...own, ...this.current] });
    this.#connections.set(new WeakRef(connection), own);
    return connection;
  }

  close() {
    this.#isClosed = true;
    clock.cancel(this.#timer);
  }

  /** What a connection has now stays in use; the next servers are asked when it looks for a path again. */
  #configure(ref, own) {
    const connection = ref.deref();
    if (!connection || connection.signalingState === 'closed') {
      this.#connections.delete(ref);
      return;
    }
    try {
      connection.setConfiguration({ ...connection.getConfiguration(), iceServers: [...own, ...this.current] });
    } catch {
      // A browser that cannot change them goes on with those that it has.
    }
  }

  #renewIn(ms, retry) {
    clock.cancel(this.#timer);
    this.#timer = ms < LONGEST_TIMER_MS ? clock.after(ms, () => this.#renew(retry)) : null;
  }

  /** The node has not spoken in time. */
  async #renew(retry) {
    const asked = this.current;
    try {
      const answer = await fetch(this.#url, { signal: AbortSignal.timeout(PATIENCE_MS) });
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
      const fresh = await answer.json();
      if (!areServers(fresh)) throw new TypeError('no list of servers'); // of a proxy's, perhaps
      if (this.current === asked) this.take(fresh);
    } catch {
      if (this.current === asked && !this.#isClosed) this.#renewIn(retry, Math.min(2 * retry, LONGEST_RETRY_MS));
    }
  }
}

function areServers(fresh) {
  const { iceServers, ttl } = fresh ?? {};
  return Array.isArray(iceServers) && iceServers.every((server) => server?.urls !== undefined) && typeof ttl === 'number';
}

/** A connection that has the node's servers, now and when they change, beside those that are given. */
export function createConnection({ signaller, ...configuration }) {
  return signaller.ice.connect(configuration);
}
