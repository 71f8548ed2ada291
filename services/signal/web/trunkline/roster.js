// Who is in the room, and what has changed since it was told last. No I/O.

// Nobody was there to be told whether it said that it left.
const UNHEARD = 'unheard';

// A node gives each member a tag: a digit for the part of the room that it is in, and a number that is another one when its
// data is.
const TAG = /^[\da-f]{17}$/;
const PARTS = 16;
const tags = new WeakMap(); // member → tag

export class Roster {
  /** peer → { id, data, suspended, dialect }; the values are replaced, never changed. */
  members = new Map();

  /**
   * Who is known now: `sums` for a node, which then lists only those parts of the room that are different, and `members`
   * to put its list together with. Null where nobody is known, or somebody has no tag.
   */
  known() {
    const members = [...this.members.values()];
    if (members.length === 0 || !members.every((member) => tags.has(member))) return null;
    const sums = new Array(PARTS).fill(0n);
    for (const member of members) sums[partOf(member)] ^= BigInt(`0x${tags.get(member).slice(1)}`);
    return { sums: sums.map((sum) => sum.toString(16).padStart(16, '0')), members };
  }

  /**
   * Who is there, as the node says when one enters: everybody, or where `parts` are named those of these parts, and who is
   * suspended. The others are as they were `known` when we announced ourselves, or as they are now where that was not said.
   * Gives what is different from what was known: [type, member] each, those who left first.
   */
  replace(peers, { parts, known } = {}) {
    const before = known?.members ?? [...this.members.values()];
    const isSame = (member) => Array.isArray(parts) && !parts.includes(partOf(member));
    const same = before.filter(isSame).map((member) => withSuspended(member, false));
    const present = new Map([...same, ...peers.map(memberOf)].map((member) => [member.id, member]));
    const changes = [];
    for (const id of [...this.members.keys()]) {
      if (!present.has(id)) changes.push(...this.left(id, UNHEARD));
    }
    for (const member of present.values()) changes.push(...this.#put(member));
    return changes;
  }

  /** A peer that is there: `joined`, `updated` or `resumed` says so. */
  present(frame) {
    return this.#put(memberOf(frame));
  }

  suspended(id) {
    const member = this.members.get(id);
    return member ? this.#put(withSuspended(member, true)) : [];
  }

  left(id, reason) {
    const member = this.members.get(id);
    return this.members.delete(id) ? [['left', { ...member, reason }]] : [];
  }

  #put(member) {
    const before = this.members.get(member.id);
    this.members.set(member.id, member);
    if (!before) return member.suspended ? [['joined', member], ['suspended', member]] : [['joined', member]];
    const changes = [];
    if (before.suspended !== member.suspended) changes.push([member.suspended ? 'suspended' : 'resumed', member]);
    if (JSON.stringify(before.data) !== JSON.stringify(member.data)) changes.push(['updated', member]);
    return changes;
  }
}

function memberOf({ peer, data, suspended = false, dialect, tag }) {
  const member = { id: peer, data, suspended };
  return tagged(dialect === undefined ? member : { ...member, dialect }, tag);
}

const withSuspended = (member, suspended) =>
  (member.suspended === suspended ? member : tagged({ ...member, suspended }, tags.get(member)));

function tagged(member, tag) {
  if (TAG.test(tag)) tags.set(member, tag);
  return Object.freeze(member);
}

const partOf = (member) => Number.parseInt(tags.get(member)?.[0], 16);
