// A node as the native dialect describes it, in memory, for sessions without sockets. What is on its way is in queues, and
// is lost with the connection, or where the node is killed, with the node.

import { createHash } from 'node:crypto';

export class ModelNode {
  #time; #random; #window;
  #members = new Map(); // id → { session, data, socket, held, until }
  #sockets = new Set();
  #made = 0;

  constructor({ time, random, window }) {
    this.#time = time;
    this.#random = random;
    this.#window = window;
  }

  /** The node's side of a socket; `deliver` takes the text of a frame. */
  connect(deliver) {
    const socket = { up: [], down: [], deliver, id: null, session: null, isOpen: true };
    this.#sockets.add(socket);
    return socket;
  }

  /** The connection is lost, with all that is on it. */
  cut(socket) {
    if (!socket.isOpen) return;
    socket.isOpen = false;
    this.#sockets.delete(socket);
    const member = this.#members.get(socket.id);
    if (member?.socket !== socket) return;
    Object.assign(member, { socket: null, until: this.#time.now + this.#window });
    this.#tellOthers(socket.id, { type: 'suspended', peer: socket.id });
  }

  /** Killed and started again: it knows of nobody, and holds nothing for anybody; the cluster still knows who is there. */
  kill() {
    for (const socket of [...this.#sockets]) this.cut(socket);
    for (const member of this.#members.values()) member.held = [];
  }

  /** Carries one frame, in a direction that is drawn. False where none is on its way. */
  step() {
    const queues = [...this.#sockets].flatMap((socket) => [
      ...(socket.up.length > 0 ? [() => this.#receive(socket, JSON.parse(socket.up.shift()))] : []),
      ...(socket.down.length > 0 ? [() => socket.deliver(JSON.stringify(socket.down.shift()))] : []),
    ]);
    if (queues.length === 0) return false;
    queues[Math.floor(this.#random() * queues.length)]();
    return true;
  }

  expire() {
    for (const [id, { socket, until }] of this.#members) {
      if (socket !== null || until > this.#time.now) continue;
      this.#members.delete(id);
      this.#tellOthers(id, { type: 'left', peer: id, reason: 'expired' });
    }
  }

  #receive(socket, frame) {
    const say = (words) => socket.down.push(words);
    if (frame.type === 'hello') {
      socket.resumed = frame.resume ? JSON.parse(frame.resume) : null;
      socket.session = socket.resumed && !frame.anew ? socket.resumed.session : `s${(this.#made += 1)}`;
      const limits = { frame_bytes: 65536, unacknowledged: 64 };
      say({ type: 'welcome', session: socket.session, window_ms: this.#window, ice_servers: [], ttl: 60, limits });
    } else if (frame.type === 'announce') {
      this.#announce(socket, frame, say);
    } else if (socket.id === null) {
      throw new Error(`${frame.type} before its time`);
    } else if (frame.type === 'send') {
      this.#send(socket, frame, say);
    } else if (frame.type === 'ack') {
      const sender = this.#members.get(frame.from);
      if (sender) this.#tell(sender, { type: 'acked', by: socket.id, session: frame.session, n: frame.n });
    }
  }

  /** Everybody but `id`, as a node lists them. */
  list(id) {
    const others = [...this.#members].filter(([other]) => other !== id);
    return others.map(([peer, { data, socket }]) => ({ peer, data, tag: tagOf(peer, data), suspended: socket === null }));
  }

  #announce(socket, { peer, data, room, known }, say) {
    const before = this.#members.get(peer);
    const isOwn = before?.socket === socket || socket.resumed?.peer === peer;
    if (before && !isOwn) return say({ type: 'error', code: 'id-in-use', message: '', temporary: true, about: 'announce' });
    if (before?.socket && before.socket !== socket) before.socket.id = null;
    const { session } = socket;
    socket.id = peer;
    this.#members.set(peer, { session, data, socket, held: [], until: 0 });
    for (const held of before?.held ?? []) say(held);
    // Who announces itself again has been told who is there.
    const isAgain = before?.socket === socket;
    const away = this.list(peer).filter(({ suspended }) => suspended);
    const told = isAgain ? { parts: [], peers: away } : unknown(this.list(peer), known);
    say({ type: 'members', room, peer, resume: JSON.stringify({ session, peer }), ...told });
    const type = before ? (before.socket ? 'updated' : 'resumed') : 'joined';
    return this.#tellOthers(peer, { type, peer, data, tag: tagOf(peer, data) });
  }

  #send(socket, { to, n, first, body }, say) {
    const receiver = this.#members.get(to);
    const undelivered = (reason) => say({ type: 'undelivered', to, session: socket.session, n, reason });
    if (!receiver) return undelivered('no-match');
    // A node that is overloaded says so, and carries what comes afterwards.
    if (this.#random() < 0.02) return undelivered('overloaded');
    if (!receiver.socket) undelivered('suspended');
    return this.#tell(receiver, { type: 'message', from: socket.id, session: socket.session, n, first, to, body });
  }

  #tell(member, frame) {
    (member.socket?.down ?? member.held).push(frame);
  }

  #tellOthers(peer, frame) {
    for (const [id, member] of this.#members) if (id !== peer) this.#tell(member, frame);
  }
}

/** A digit for the peer's part of the room, and sixteen that are others when the data is. */
export function tagOf(peer, data) {
  const digits = (text) => createHash('sha256').update(text).digest('hex').slice(0, 16);
  return digits(peer)[0] + digits(`${peer} ${JSON.stringify(data)}`);
}

/** The xor of the sums of tags, part by part. */
export function sumsOf(tags) {
  const sums = new Array(16).fill(0n);
  for (const tag of tags) sums[Number.parseInt(tag[0], 16)] ^= BigInt(`0x${tag.slice(1)}`);
  return sums.map((sum) => sum.toString(16).padStart(16, '0'));
}

/** Those of a list whom a client that knows so much has to be told of. */
function unknown(list, known) {
  if (!known) return { peers: list };
  const sums = sumsOf(list.map(({ tag }) => tag));
  const parts = sums.flatMap((sum, part) => (sum === known[part] ? [] : [part]));
  return { parts, peers: list.filter(({ tag, suspended }) => suspended || parts.includes(Number.parseInt(tag[0], 16))) };
}

/** Numbers from 0 to 1 that a seed determines (mulberry32). */
export function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
