// Frames of the native dialect as text, and what may be in them.

/** Of what is announced, and of what a request matches it with, as nodes take it. */
export const MOST_DATA_BYTES = 4096;

const utf8 = new TextEncoder();

/** A frame, or null for what is none. */
export function read(text) {
  try {
    const frame = JSON.parse(text);
    return frame !== null && typeof frame === 'object' ? frame : null;
  } catch {
    return null;
  }
}

/** Whether this is longer than so many bytes, as JSON. */
export function isLonger(value, most) {
  const text = JSON.stringify(value);
  // Each of its units has three bytes at most.
  return text.length > most || (3 * text.length > most && utf8.encode(text).length > most);
}

const MOST_BYTES = { room: 256, id: 128 };
const MOST_TOKEN_BYTES = 4096;

/** A room or an id, as nodes take it. */
export function checked(kind, text) {
  if (typeof text !== 'string' || text === '' || text.includes('|') || utf8.encode(text).length > MOST_BYTES[kind]) {
    throw new TypeError(`${kind} must be a string of 1 to ${MOST_BYTES[kind]} bytes without "|"`);
  }
  return text;
}

/** A node would not understand the greeting otherwise, again and again. */
export function checkedToken(text) {
  if (typeof text !== 'string' || utf8.encode(text).length > MOST_TOKEN_BYTES) {
    throw new TypeError(`token must be a string of at most ${MOST_TOKEN_BYTES} bytes`);
  }
  return text;
}

/** What a value is now, as JSON has it: it may be said later, and again, and is then still the same. */
export function snapshot(value) {
  const text = JSON.stringify(value);
  if (text === undefined) throw new TypeError('what is said must be something that JSON has');
  return JSON.parse(text);
}

/** The same of an object. */
export function snapshotOf(object, what) {
  const copy = snapshot(object);
  if (copy === null || typeof copy !== 'object' || Array.isArray(copy)) throw new TypeError(`${what} must be an object`);
  return copy;
}
