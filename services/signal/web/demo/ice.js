// The STUN and TURN servers of this node, with a credential of our own that is renewed before it is over.

const FIRST_RETRY_MS = 500;
const RETRY_MS = 5000;
const PATIENCE_MS = 5000;

let servers = [];
let relayOnly = false;
let announce;
const known = new Promise((done) => { announce = done; });

/** What RTCPeerConnection takes, as soon as the node has told its servers; without any when it takes too long. */
export async function iceConfiguration() {
  await Promise.race([known, new Promise((done) => setTimeout(done, PATIENCE_MS))]);
  return { iceServers: servers, iceTransportPolicy: relayOnly ? 'relay' : 'all' };
}

/** Whether only paths through the relay are used, to see that it works, or to hide addresses from the other side. */
export function setRelayOnly(only) {
  relayOnly = only;
}

/** Asks now and goes on asking; returns after the first answer. `note` is told when there is none. */
export async function keepIceServers(note, retry = FIRST_RETRY_MS) {
  let again = retry;
  let next = Math.min(2 * retry, RETRY_MS);
  try {
    const answer = await fetch('/v1/ice', { signal: AbortSignal.timeout(PATIENCE_MS) });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    const { iceServers, ttl } = await answer.json();
    servers = iceServers;
    again = ttl * 500; // half of its life, in milliseconds
    next = FIRST_RETRY_MS;
    announce();
  } catch (failure) {
    note(`No STUN and TURN servers to be had: ${failure.message}`);
  }
  setTimeout(() => keepIceServers(note, next), again);
}
