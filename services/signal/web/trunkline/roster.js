// Who is in the room, and what has changed since it was told last. No I/O.

// Nobody was there to be told whether it said that it left.
const UNHEARD = 'unheard';

export class Roster {
  /** peer → { id, data, suspended, dialect }; the values are replaced, never changed. */
  members = new Map();

  /**
   * Everybody who is there, as the node says when one enters. Gives what is different from what was known:
   * [type, member] each, those who left first.
   */
  replace(peers) {
    const present = new Map(peers.map((peer) => [peer.peer, memberOf(peer)]));
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
    return member ? this.#put({ ...member, suspended: true }) : [];
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

function memberOf({ peer, data, suspended = false, dialect }) {
  const member = { id: peer, data, suspended };
  return Object.freeze(dialect === undefined ? member : { ...member, dialect });
}
