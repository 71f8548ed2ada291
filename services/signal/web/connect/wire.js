// What the signallers of this page say to the node, and what it tells them, in words.

const listeners = new Set();

/** `listener` is told of each frame: { who, isSaid, frame, at }. */
export function watchFrames(listener) {
  listeners.add(listener);
}

globalThis.WebSocket = class extends WebSocket {
  #who = null;
  #early = []; // from before it has said whose it is

  constructor(...target) {
    super(...target);
    this.addEventListener('message', ({ data }) => this.#note(false, data));
  }

  send(text) {
    this.#note(true, text);
    super.send(text);
  }

  #note(isSaid, text) {
    const frame = JSON.parse(text);
    if (frame.type === 'announce') this.#who = frame.data.name;
    this.#early.push({ isSaid, frame, at: performance.now() });
    if (this.#who === null) return;
    for (const early of this.#early.splice(0)) {
      for (const listener of listeners) listener({ who: this.#who, ...early });
    }
  }
};

/** Which phase a frame is of, and what it says; null for one that is of none. `nameOf` knows the names of ids. */
export function inWords({ isSaid, frame }, nameOf) {
  const { type, body } = frame;
  if ((type === 'send' || type === 'message') && body?.$couple) {
    const name = nameOf(isSaid ? frame.to : frame.from);
    return coupling(body, (what) => (isSaid ? `tells ${name}: ${what}` : `hears from ${name}: ${what}`));
  }
  const words = (isSaid ? SAID : TOLD)[type]?.(frame, nameOf);
  return words ? { phase: 'discovery', words } : null;
}

const SAID = {
  hello: () => 'says hello to the node',
  announce: ({ room, data }) => `announces ${JSON.stringify(data)} in ${room}`,
  request: ({ match, peer }) => `asks for ${JSON.stringify(match ?? { peer })}`,
  accept: ({ from }, nameOf) => `takes the request of ${nameOf(from)}`,
  decline: ({ from }, nameOf) => `declines the request of ${nameOf(from)}`,
  leave: () => 'leaves',
};

const TOLD = {
  welcome: ({ node, ice_servers: servers }) => `is welcomed by node ${node}, and told ${count(servers.length, 'STUN or TURN server')}`,
  members: ({ peers }) => `is told who is there: ${peers.map(({ data }) => data.name).join(', ') || 'nobody else'}`,
  joined: ({ data }) => `is told that ${data.name ?? 'somebody'} is there`,
  left: ({ peer }, nameOf) => `is told that ${nameOf(peer)} has left`,
  requested: ({ data }) => `is asked by ${JSON.stringify(data)}`,
  answer: ({ ok, data, reason }) => (ok ? `is answered: ${data.name} will talk` : `is answered: ${reason}`),
};

const count = (number, what) => `${number} ${what}${number === 1 ? '' : 's'}`;

function coupling({ description, candidate, begin, ready, bye }, told) {
  const handshaking = (what) => ({ phase: 'handshaking', words: told(what) });
  if (description) return handshaking(`${description.type}, ${description.sdp.length} characters`);
  if (begin || ready) return handshaking('I am ready');
  if (bye !== undefined) return handshaking(bye === null ? 'goodbye' : `goodbye, since ${bye}`);
  if (candidate === undefined) return null;
  return { phase: 'network', words: told(candidate ? candidateInWords(candidate) : 'no more candidates') };
}

/** `candidate:FOUNDATION COMPONENT PROTOCOL PRIORITY ADDRESS PORT typ TYPE …` */
function candidateInWords({ candidate }) {
  const [, , protocol, , address, port, , type] = candidate.split(' ');
  return `${type} candidate ${protocol} ${endpoint(address, port)}`;
}

export const endpoint = (address, port) => (address?.includes(':') ? `[${address}]:${port}` : `${address}:${port}`);
