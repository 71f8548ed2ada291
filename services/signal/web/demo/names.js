// Ids, room names, and what other people's names are allowed to look like.

const FIRST = ['amber', 'brisk', 'calm', 'clear', 'early', 'fair', 'gentle', 'hazel', 'keen',
  'lucid', 'mellow', 'nimble', 'quiet', 'rapid', 'silver', 'steady', 'sunny', 'vivid'];
const SECOND = ['badger', 'crane', 'falcon', 'finch', 'heron', 'ibis', 'lark', 'lynx', 'marten',
  'otter', 'owl', 'plover', 'raven', 'seal', 'stoat', 'swift', 'tern', 'wren'];

export function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function randomRoom() {
  const [a, b, c] = crypto.getRandomValues(new Uint32Array(3));
  return `${FIRST[a % FIRST.length]}-${SECOND[b % SECOND.length]}-${10 + (c % 90)}`;
}

/** The room the address asks for: `?room=`, else the hash. */
export function roomFromAddress({ search, hash }) {
  const asked = new URLSearchParams(search).get('room');
  return tidy(asked || fromHash(hash));
}

function fromHash(hash) {
  try {
    return decodeURIComponent(hash.slice(1));
  } catch {
    return hash.slice(1);
  }
}

/** Short, on one line, without control or text-direction characters. */
export function tidy(value, limit = 64) {
  if (typeof value !== 'string') return '';
  const plain = value.replace(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, ' ');
  return [...plain.trim()].slice(0, limit).join('').trim();
}

/** A name to show for a member; a page of another make announces none. */
export function displayName(id, attributes) {
  return tidy(attributes.name) || `rtc.io peer ${id.slice(0, 6)}`;
}

/** One of six cord colours, the same on everybody's board. */
export function cordOf(id) {
  let sum = 0;
  for (const char of id) sum = (sum * 31 + char.codePointAt(0)) >>> 0;
  return String(sum % 6);
}
