// Sessions of the browser library without sockets: time and randomness are the test's, frames are read and written here.

import assert from 'node:assert/strict';

import { Session } from '../../../services/signal/web/trunkline/session.js';

export const WINDOW = 8000;
const LIMITS = { frame_bytes: 65536, unacknowledged: 4 };

/** A session, what it has said and what it has told, and the node's side of its socket. */
export function openSession({ time = { now: 0 }, ...options } = {}) {
  const frames = [];
  const events = [];
  let made = 0;
  const session = new Session({
    room: 'room',
    transmit: (text) => frames.push(JSON.parse(text)),
    emit: (type, detail) => events.push({ type, ...plain(detail) }),
    now: () => time.now,
    random: () => `r${(made += 1)}`,
    ...options,
  });

  const client = {
    session,
    frames,
    events,
    time,

    /** Takes what it has said since the last time. */
    said: (type) => frames.splice(0).filter((frame) => type === undefined || frame.type === type),
    told: (type) => events.splice(0).filter((event) => type === undefined || event.type === type),
    hear: (type, fields) => session.receive(JSON.stringify({ type, ...fields })),

    welcome: (fields) =>
      client.hear('welcome', {
        session: 's1',
        node: 'n',
        region: 'r',
        window_ms: WINDOW,
        ice_servers: [],
        ttl: 60,
        limits: LIMITS,
        ...fields,
      }),
    members: (peers = [], fields = {}) =>
      client.hear('members', { room: 'room', peer: 'bob', resume: 't1', peers, ...fields }),

    /** Opens a socket on which everything goes well. */
    async enter(peers = [], { data = {}, ...fields } = {}) {
      const announced = session.announce(data);
      session.opened();
      client.welcome(fields);
      client.members(peers);
      await announced;
      client.said();
      client.told();
    },

    /** Another socket, in the same page. */
    comeBack(peers = [], fields = {}) {
      session.lost();
      session.opened();
      client.welcome(fields);
      client.members(peers);
    },

    /** Lets time pass, from one deadline to the next. */
    pass(ms) {
      const end = time.now + ms;
      for (let round = 0; session.deadline() <= end; round += 1) {
        assert.ok(round < 1000, 'the deadline goes on');
        time.now = Math.max(time.now, session.deadline());
        session.tick();
      }
      time.now = end;
    },
  };
  return client;
}

/** How a promise has ended by now. */
export async function outcome(promise) {
  const pending = Symbol('pending');
  try {
    const value = await Promise.race([promise, new Promise((done) => setImmediate(done, pending))]);
    return value === pending ? 'pending' : { value };
  } catch (error) {
    return { reason: error.reason, code: error.code };
  }
}

const plain = (detail) => (detail instanceof Error ? { code: detail.code } : detail);
