// Frames of the native dialect as text, and what may be in them.

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

/** Whether a frame has more bytes than a node takes. */
export function isTooLong(frame, { frameBytes: most }) {
  const text = JSON.stringify(frame);
  // Each of its units has three bytes at most.
  return text.length > most || (3 * text.length > most && utf8.encode(text).length > most);
}

const MOST_BYTES = { room: 256, id: 128 };

/** A room or an id, as nodes take it. */
export function checked(kind, text) {
  if (typeof text !== 'string' || text === '' || text.includes('|') || utf8.encode(text).length > MOST_BYTES[kind]) {
    throw new TypeError(`${kind} must be a string of 1 to ${MOST_BYTES[kind]} bytes without "|"`);
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
