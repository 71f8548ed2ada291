// The wire: rtc.io 6.x text frames over one WebSocket that comes back by itself.
//
// Events:  "state"   detail = offline | connecting | joined | reconnecting
//          "message" detail = { cmd, from, data, directed }
//          "refused" detail = { code, reason }   the server asked us not to return
//          "note"    detail = a line for the log

const QUEUE_LIMIT = 256;
const OPEN_TIMEOUT_MS = 8000;
const ANSWER_TIMEOUT_MS = 8000;
const FIRST_RETRY_MS = 50;
const SHORT_OUTAGE_MS = 8000;

/** JSON for a frame: a bar inside it would end the part, so it is escaped. */
export function encode(data) {
  return JSON.stringify(data).replaceAll('|', '\\u007c');
}

/** One frame as { cmd, from, data, directed }, or null when it is not for us. */
export function parse(frame, ownId) {
  if (typeof frame !== 'string' || frame.startsWith('primus')) return null;
  let text = frame;
  let directed = false;
  if (text.startsWith('/to|')) {
    const end = text.indexOf('|', 4);
    if (end < 0 || text.slice(4, end) !== ownId) return null;
    text = text.slice(end + 1);
    directed = true;
  }
  if (!text.startsWith('/')) return null;
  const [cmd, from = ''] = text.split('|', 2);
  const brace = text.indexOf('{', cmd.length + from.length + 1);
  // `/roominfo|{...}` has no sender: its second part is the object itself.
  const bare = from.startsWith('{');
  const json = bare ? text.slice(cmd.length + 1) : brace < 0 ? '' : text.slice(brace);
  return { cmd, from: bare ? '' : from, data: parseObject(json), directed };
}

function parseObject(json) {
  try {
    const value = JSON.parse(json);
    return value && typeof value === 'object' ? value : {};
  } catch {
    return {};
  }
}

/** How long to wait before try number `attempt` (0 = first) of an outage. */
export function retryDelay(attempt, outageMs, random = Math.random) {
  if (attempt === 0) return FIRST_RETRY_MS;
  const cap = outageMs < SHORT_OUTAGE_MS ? 1000 : 5000;
  return random() * Math.min(cap, 100 * 2 ** Math.min(attempt, 10));
}

export class Signalling extends EventTarget {
  #id; #url;
  #socket = null;
  #member = null; // { room, name } while we want to be in a room
  #announced = false;
  #queue = [];
  #attempt = 0;
  #lostAt = 0;
  #retryTimer = 0;
  #watchdog = 0;
  state = 'offline';

  constructor({ id, url }) {
    super();
    this.#id = id;
    this.#url = url;
    const now = () => this.#checkNow();
    window.addEventListener('online', now);
    document.addEventListener('visibilitychange', () => document.hidden || now());
  }

  join({ room, name }) {
    this.#member = { room, name };
    this.#queue = [];
    this.#attempt = 0;
    this.#lostAt = 0;
    this.#setState('connecting');
    this.#open();
  }

  leave() {
    if (!this.#member) return;
    this.#transmit(`/leave|${this.#id}|${encode({ id: this.#id })}`);
    this.#stop('offline');
  }

  broadcast(cmd, data) {
    this.#post(`${cmd}|${this.#id}|${encode(data)}`);
  }

  direct(target, cmd, data) {
    this.#post(`/to|${target}|${cmd}|${this.#id}|${encode(data)}`);
  }

  /** What we announce; a member answers a newcomer with the same, directed. */
  attributes() {
    return { id: this.#id, ...this.#member, agent: 'trunkline-demo' };
  }

  #post(frame) {
    if (!this.#member) return;
    if (this.#announced && this.#transmit(frame)) return;
    this.#queue.push(frame);
    if (this.#queue.length > QUEUE_LIMIT) {
      this.#queue.shift();
      this.#emit('note', 'Too much to say while offline: the oldest waiting message was dropped');
    }
  }

  #transmit(frame) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(frame);
    return true;
  }

  #open() {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = 0;
    this.#announced = false;
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.#watch(OPEN_TIMEOUT_MS);
    socket.onopen = () => socket === this.#socket && this.#announce();
    socket.onmessage = ({ data }) => socket === this.#socket && this.#receive(data);
    socket.onclose = (event) => socket === this.#socket && this.#lost(event);
  }

  /** Give up on a socket that neither opens nor answers in time. */
  #watch(ms) {
    this.#unwatch();
    const socket = this.#socket;
    this.#watchdog = setTimeout(() => {
      if (socket !== this.#socket) return;
      this.#emit('note', 'The server did not answer in time');
      socket.close();
      this.#lost({ code: 1006, reason: '' });
    }, ms);
  }

  #unwatch() {
    clearTimeout(this.#watchdog);
    this.#watchdog = 0;
  }

  #announce() {
    this.#transmit(`/announce|${this.#id}|${encode(this.attributes())}`);
    this.#announced = true;
    const waiting = this.#queue.splice(0);
    waiting.forEach((frame) => this.#transmit(frame));
    if (waiting.length) this.#emit('note', `Sent ${waiting.length} waiting message(s)`);
    this.#watch(ANSWER_TIMEOUT_MS);
  }

  #receive(frame) {
    const message = parse(frame, this.#id);
    if (!message) return;
    if (message.cmd === '/roominfo') {
      this.#unwatch();
      this.#attempt = 0;
      this.#lostAt = 0;
      this.#setState('joined');
    }
    if (message.from !== this.#id) this.#emit('message', message);
  }

  #lost({ code, reason }) {
    this.#unwatch();
    this.#socket = null;
    this.#announced = false;
    if (code >= 3500 && code <= 3999) {
      this.#stop('offline');
      this.#emit('refused', { code, reason: reason || `code ${code}` });
      return;
    }
    this.#lostAt ||= Date.now();
    const wait = retryDelay(this.#attempt, Date.now() - this.#lostAt);
    if (this.#attempt === 0) this.#emit('note', `Connection to the server lost (${code})`);
    this.#attempt += 1;
    this.#setState('reconnecting');
    this.#retryTimer = setTimeout(() => this.#open(), wait);
  }

  /**
   * The machine woke up or changed networks: do not wait for a retry, and do not
   * trust a socket that looks open. It may be dead without a word; an announce that
   * is not answered in time shows it. One at a time, or the watch would never end.
   */
  #checkNow() {
    if (!this.#member) return;
    if (this.#retryTimer) this.#open();
    else if (this.#announced && !this.#watchdog) this.#announce();
  }

  #stop(state) {
    clearTimeout(this.#retryTimer);
    this.#unwatch();
    this.#retryTimer = 0;
    this.#member = null;
    this.#announced = false;
    this.#queue = [];
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(1000);
    this.#setState(state);
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
