// A page and WebSockets that are the test's, for the browser library in Node.

import { afterEach, beforeEach } from 'node:test';

import { signaller } from '../../../services/signal/web/trunkline.js';

const LIMITS = { frame_bytes: 16384, unacknowledged: 8 };
const WELCOME = { type: 'welcome', session: 's', resume: 'token', node: 'n', region: 'r', window_ms: 8000, ttl: 60, limits: LIMITS };
const MEMBERS = { type: 'members', room: 'room', peer: 'sue', resume: 'token', peers: [{ peer: 'bob', data: {} }] };

class FakeSocket {
  readyState = 0;
  frames = [];

  constructor(url, sockets) {
    this.url = url;
    sockets.push(this);
  }

  send(text) {
    this.frames.push(JSON.parse(text));
  }

  close() {
    this.readyState = 3;
  }

  open() {
    this.readyState = 1;
    this.onopen();
  }

  /** The other end, or the network, has closed it. */
  lose(code = 1006, reason = '') {
    this.readyState = 3;
    this.onclose({ code, reason });
  }

  hear(...frames) {
    for (const frame of frames) this.onmessage({ data: JSON.stringify(frame) });
  }

  /** The greeting is answered, and the room is told of. */
  greet(fields = {}) {
    this.open();
    this.hear({ ...WELCOME, ice_servers: [{ urls: 'stun:node' }] }, { ...MEMBERS, ...fields });
  }

  /** Frames that were sent since the last time. */
  said(type) {
    return this.frames.splice(0).filter((frame) => frame.type === type);
  }
}

class FakePage extends EventTarget {
  visibilityState = 'visible';

  show(state) {
    this.visibilityState = state;
    this.dispatchEvent(new Event('visibilitychange'));
  }
}

export class FakeStorage extends Map {
  getItem(key) {
    return this.get(key) ?? null;
  }

  setItem(key, value) {
    this.set(key, value);
  }

  removeItem(key) {
    this.delete(key);
  }
}

/** Puts them into the place of the real ones for each test of the file. */
export function useFakePage() {
  const sockets = [];
  const opened = [];
  const before = {};
  beforeEach(() => {
    const frame = new EventTarget();
    const stand = {
      WebSocket: function WebSocket(url) { return new FakeSocket(url, sockets); },
      document: new FakePage(),
      addEventListener: frame.addEventListener.bind(frame),
      dispatchEvent: frame.dispatchEvent.bind(frame),
    };
    for (const [name, value] of Object.entries(stand)) {
      before[name] = globalThis[name];
      globalThis[name] = value;
    }
  });
  afterEach(() => {
    for (const peer of opened.splice(0)) peer.close();
    sockets.length = 0;
    Object.assign(globalThis, before);
  });

  const own = (peer) => (opened.push(peer), peer);

  function open(options = {}) {
    const peer = own(signaller('https://node.example/', { room: 'room', storage: null, ...options }));
    return { peer, socket: sockets.at(-1) };
  }

  /** Sue, who is in the room with Bob. */
  function enter(options) {
    const { peer, socket } = open(options);
    peer.announce({ name: 'Sue' });
    socket.greet();
    socket.frames.length = 0;
    return { peer, socket };
  }

  return { sockets, open, enter, own };
}
