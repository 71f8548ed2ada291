// Words that come before the answer to the question that they belong to: after a loss, the other side says its words again
// as soon as it sees us, while its yes is said again only when we have asked again.

const MOST_WORDS = 128; // of a question

export class Early {
  #asked = new Map(); // request id → { coupling, heard: [{ from, words }] }

  /** A coupling has asked. */
  expect(id, coupling) {
    this.#asked.set(id, { coupling, heard: [] });
  }

  /** False where nobody waits for an answer to that question. */
  keep(from, id, words) {
    const asked = this.#asked.get(id);
    if (asked && asked.heard.length < MOST_WORDS) asked.heard.push({ from, words });
    return asked !== undefined;
  }

  /** It waits no longer, whatever has come of it. Gives what was said meanwhile, and the question's id. */
  take(coupling) {
    for (const [id, asked] of this.#asked) {
      if (asked.coupling !== coupling) continue;
      this.#asked.delete(id);
      return { id, heard: asked.heard };
    }
    return { id: null, heard: [] };
  }

  clear() {
    this.#asked.clear();
  }
}
