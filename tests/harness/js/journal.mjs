// What a client, a page or a process did, in order, and a way to wait for the next thing it does.
//
// Every wait in the suite goes through `until`, so that none is without a bound and a failing one
// says what was awaited and what was seen instead.

const SHOWN = 40;
const LINE = 220;

export class Journal {
  #waiting = new Set();

  constructor(owner) {
    this.owner = owner;
    this.entries = [];
  }

  append(entry) {
    this.entries.push(entry);
    for (const look of [...this.#waiting]) look(entry);
  }

  /** The first entry at or after `from` that matches, whether it is here already or still to come. */
  until(what, matches, { within = 5000, from = 0 } = {}) {
    const found = this.entries.slice(from).find(matches);
    if (found !== undefined) return Promise.resolve(found);

    // The stack is taken here: at the time of the timeout the test that waits is no longer on it.
    const failure = new Error();
    return new Promise((resolve, reject) => {
      const look = (entry) => {
        if (!matches(entry)) return;
        clearTimeout(timer);
        this.#waiting.delete(look);
        resolve(entry);
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(look);
        failure.message = `${this.owner}: waited ${within} ms for ${what}; ${this.describe()}`;
        reject(failure);
      }, within);
      this.#waiting.add(look);
    });
  }

  /** Resolves once `count` entries match. */
  async untilCount(what, count, matches, options = {}) {
    const { from = 0 } = options;
    const matching = () => this.entries.slice(from).filter(matches);
    await this.until(`${count} × ${what}`, () => matching().length >= count, options);
    return matching();
  }

  all(matches) {
    return this.entries.filter(matches);
  }

  /** A place to count from later: `until(…, { from: journal.mark() })`. */
  mark() {
    return this.entries.length;
  }

  describe() {
    if (this.entries.length === 0) return 'saw nothing';
    const shown = this.entries.slice(-SHOWN).map((entry) => `    ${line(entry)}`);
    const left = this.entries.length - shown.length;
    const head = left > 0 ? `saw ${left} earlier entries, then:` : 'saw:';
    return [head, ...shown].join('\n');
  }
}

function line(entry) {
  const text = typeof entry === 'string' ? entry : JSON.stringify(entry);
  return text.length > LINE ? `${text.slice(0, LINE)}…` : text;
}
