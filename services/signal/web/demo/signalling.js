// Our place in a room, by the library. What the pages say to each other are lines of text as the rtc.io dialect has them,
// `/chat|ID|{"text":"hello"}`, so that peers of that dialect in the same room can read and say them, too.
//
// Events:  "state"   detail = offline | connecting | joined | reconnecting
//          "present" detail = { id, data }       somebody is there, has other data, or is back
//          "left"    detail = { id }
//          "message" detail = { cmd, from, data, directed }
//          "refused" detail = { code, reason }   the server does not want us
//          "note"    detail = a line for the log

import { createConnection, signaller } from '/trunkline.js';

/** JSON for a line: a bar inside it would end the part, so it is escaped. */
function encode(data) {
  return JSON.stringify(data).replaceAll('|', '\\u007c');
}

/** One line as { cmd, data }, or null when it is none. */
function parse(line) {
  if (typeof line !== 'string' || !line.startsWith('/')) return null;
  const [cmd] = line.split('|', 1);
  const brace = line.indexOf('{', cmd.length);
  return { cmd, data: brace < 0 ? {} : parseObject(line.slice(brace)) };
}

function parseObject(json) {
  try {
    const value = JSON.parse(json);
    return value && typeof value === 'object' ? value : {};
  } catch {
    return {};
  }
}

export class Signalling extends EventTarget {
  #id; #url;
  #peer = null; // while we want to be in a room
  #relayOnly = false;
  state = 'offline';

  constructor({ id, url }) {
    super();
    this.#id = id;
    this.#url = url;
  }

  /** With `relayOnly` connections use paths through the relay alone, to see that it works, or to hide addresses. */
  join({ room, name, relayOnly = false }) {
    this.#relayOnly = relayOnly;
    this.#setState('connecting');
    // The id lives as long as the page, and is for no page that comes after it.
    const peer = signaller(this.#url, { room, id: this.#id, storage: null });
    this.#peer = peer;
    this.#listen(peer);
    peer.announce({ id: this.#id, room, name, agent: 'trunkline-demo' }).catch((error) => this.#refuse(peer, error));
  }

  leave() {
    const peer = this.#peer;
    this.#peer = null;
    peer?.close();
    this.#setState('offline');
  }

  broadcast(cmd, data) {
    try {
      this.#peer?.broadcast(this.#line(cmd, data));
    } catch (error) {
      this.#emit('note', `Not said: ${error.message}`);
    }
  }

  direct(target, cmd, data) {
    const peer = this.#peer;
    peer?.send(target, this.#line(cmd, data)).catch(({ reason, message }) => {
      // That somebody has left is told anyway.
      const isNews = peer === this.#peer && reason !== 'gone' && reason !== 'no-match';
      if (isNews) this.#emit('note', `${cmd.slice(1)} did not arrive: ${message}`);
    });
  }

  /** A connection that has the node's STUN and TURN servers. */
  connect() {
    return createConnection({ signaller: this.#peer, iceTransportPolicy: this.#relayOnly ? 'relay' : 'all' });
  }

  #line(cmd, data) {
    return `${cmd}|${this.#id}|${encode(data)}`;
  }

  #listen(peer) {
    const listen = (type, listener) => peer.addEventListener(type, ({ detail }) => peer === this.#peer && listener(detail));
    for (const type of ['joined', 'updated', 'resumed']) listen(type, (member) => this.#emit('present', member));
    listen('left', (member) => this.#emit('left', member));
    listen('message', ({ from, body, isBroadcast }) => {
      const said = parse(body);
      if (said) this.#emit('message', { ...said, from, directed: !isBroadcast });
    });
    listen('state', ({ state, code }) => {
      if (state === 'announced') this.#setState('joined');
      if (state !== 'reconnecting' || this.state === 'reconnecting') return;
      this.#emit('note', `Connection to the server lost (${code})`);
      this.#setState('reconnecting');
    });
    listen('error', (error) => {
      if (peer.state === 'closed') this.#refuse(peer, error);
      else this.#emit('note', `The server says: ${error.message}`);
    });
    // Calls are asked for by lines; for other questions nobody is here.
    peer.addEventListener('requested', (event) => event.decline('calls are made from the page'));
  }

  #refuse(peer, { code, message }) {
    if (peer !== this.#peer) return;
    this.leave();
    this.#emit('refused', { code, reason: message });
  }

  #setState(state) {
    if (state === this.state) return;
    this.state = state;
    this.#emit('state', state);
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
