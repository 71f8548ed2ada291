// Unmodified rtc-signaller 6.3.0 over unmodified rtc-switchboard-messenger 2.0.4, with a journal.
//
// The journal holds both what the client said of itself ({ event, args }) and every frame its socket
// received ({ frame }). Frames are what tells "exactly once" and "nothing at all": the client drops
// frames that are not for it without a word.

import { createRequire } from 'node:module';

import { Journal } from './journal.mjs';

// rtc-core reads `navigator` while it is loaded; before Node 21 there is none and it throws.
Object.defineProperty(globalThis, 'navigator', { value: undefined, configurable: true, writable: true });
const require = createRequire(import.meta.url);
const createSignaller = require('rtc-signaller');
const createMessenger = require('rtc-switchboard-messenger');

// Events that say nothing the frame or `peer:announce` does not say.
const REDUNDANT = new Set(['rawdata', 'peer:filter', 'peer:connected']);

/** Connects at once. Nothing is announced before `announce`, `join` or `signaller.announce`. */
export function connectPeer(url, { id, endpoints = ['/'] } = {}) {
  const journal = new Journal(`peer ${id ?? '(own id)'}`);
  const messenger = createMessenger(url, { endpoints });
  let closed = false;
  let source = null;

  // The messenger is a function handed a callback: listening in needs no change to either package.
  const overheard = (callback) => {
    if (closed) return callback(new Error('the test closed this peer'));
    messenger((failure, inbound, sink) => {
      if (failure) return callback(failure);
      source = inbound;
      callback(null, listenIn(inbound, journal), sink);
    });
  };
  const signaller = createSignaller(overheard, id === undefined ? {} : { id });
  signaller.feed(({ name, args }) => {
    // mbus reports `peer:announce` as `peer.announce`.
    const event = name.replace('.', ':');
    if (!REDUNDANT.has(event)) journal.append({ event, args: args.map(plain) });
  });

  return {
    id: signaller.id,
    signaller,
    journal,

    /** Announces and resolves with the server's answer, the room's member count. */
    async join(room, attributes = {}) {
      const from = journal.mark();
      signaller.announce({ room, ...attributes });
      const roominfo = await journal.until('the answer to its announce', isEvent('message:roominfo'), { from });
      return roominfo.args[0].memberCount;
    },

    send: (...parts) => signaller.send(...parts),
    sendTo: (target, ...parts) => signaller.to(target).send(...parts),

    untilEvent: (event, options, matches = () => true) =>
      journal.until(`event ${event}`, (entry) => isEvent(event)(entry) && matches(...entry.args), options),
    untilFrame: (text, options) => journal.until(`a frame with ${text}`, isFrame(text), options),

    events: (event) => journal.all(isEvent(event)).map((entry) => entry.args),
    frames: (text) => journal.all(isFrame(text)).map((entry) => entry.frame),

    /** Closes the socket without a /leave and keeps the client from coming back. */
    close() {
      closed = true;
      signaller.removeAllListeners('disconnected');
      if (source !== null) source(true, () => {});
    },
  };
}

export const isEvent = (event) => (entry) => entry.event === event;
export const isFrame = (text) => (entry) => entry.frame?.includes(text) ?? false;

/** Joins several peers to a room one after the other and waits until everybody knows everybody. */
export async function meet(peers, room) {
  for (const peer of peers) await peer.join(room, { name: peer.id });
  for (const peer of peers) {
    for (const other of peers) {
      if (other !== peer) await peer.untilEvent('peer:announce', {}, (data) => data.id === other.id);
    }
  }
}

/**
 * The proof that `peers` have had all that was sent before: the server keeps the order of what one
 * peer sends, so once they hear this nothing earlier from `sender` is still on its way.
 */
export async function settle(sender, ...peers) {
  const marker = `/settled-${(settled += 1)}`;
  sender.send(marker);
  await Promise.all(peers.map((peer) => peer.untilFrame(`${marker}|`)));
}
let settled = 0;

function listenIn(inbound, journal) {
  return (abort, callback) =>
    inbound(abort, (end, frame) => {
      if (!end) journal.append({ frame });
      callback(end, frame);
    });
}

/** Errors do not survive JSON, in which failures are shown. */
const plain = (value) => (value instanceof Error ? { error: value.message } : value);
