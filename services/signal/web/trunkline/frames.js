// Frames of the native dialect as text.

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
