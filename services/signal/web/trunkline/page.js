// What happens to the page around us, and what survives it. Without a page, as in Node.js, nothing does.

/** Calls `wake` when the page or the network is back, `hide` when nobody sees it, `end` when it is thrown away. */
export function watchPage({ wake, show, hide, end }) {
  const page = globalThis.document;
  if (!page || !globalThis.addEventListener) return () => {};
  const watched = new AbortController();
  const { signal } = watched;
  const listen = (target, type, listener) => target.addEventListener(type, listener, { signal });
  listen(page, 'visibilitychange', () => {
    if (page.visibilityState === 'hidden') return hide();
    show();
    return wake();
  });
  listen(globalThis, 'pageshow', ({ persisted }) => persisted && (show(), wake()));
  listen(page, 'resume', wake); // it was frozen, and nobody need see it for that
  listen(globalThis, 'online', wake);
  // A page that is kept may come back; one that is not has left, which nobody needs to find out by waiting.
  listen(globalThis, 'pagehide', ({ persisted }) => (hide(), persisted || end()));
  return () => watched.abort();
}

export const isHidden = () => globalThis.document?.visibilityState === 'hidden';

/**
 * Keeps what a reloaded page needs to be the same peer: { token, peer }. It is there only while the page is hidden or
 * thrown away: a tab that is duplicated takes its storage along, and would take the first one's place.
 */
export class Keepsake {
  #storage; #key;
  #used; // the keys that somebody in this page has

  /** Two that want the same key have one each: in a page that is loaded anew, the same ones if they come in the same order. */
  constructor(storage, key) {
    this.#storage = storage;
    this.#used = usedOf(storage);
    this.#key = key;
    // No room has a bar in its name.
    for (let count = 2; this.#used.has(this.#key); count += 1) this.#key = `${key}|${count}`;
    this.#used.add(this.#key);
  }

  /** Nobody wants it any more. */
  release() {
    this.forget();
    this.#used.delete(this.#key);
  }

  keep(value) {
    this.#try(() => value && this.#storage?.setItem(this.#key, JSON.stringify(value)));
  }

  forget() {
    this.#try(() => this.#storage?.removeItem(this.#key));
  }

  /** Takes it out. Null where there is none that can be used. */
  take() {
    return this.#try(() => {
      const value = JSON.parse(this.#storage?.getItem(this.#key) ?? 'null');
      this.#storage?.removeItem(this.#key);
      return typeof value?.token === 'string' && typeof value.peer === 'string' ? value : null;
    });
  }

  /** Storage may be full or forbidden, which costs nothing but itself. */
  #try(job) {
    try {
      return job() ?? null;
    } catch {
      return null;
    }
  }
}

const used = new WeakMap(); // storage → keys

function usedOf(storage) {
  if (storage === null) return new Set();
  if (!used.has(storage)) used.set(storage, new Set());
  return used.get(storage);
}

export function sessionStorageOf(scope) {
  try {
    return scope.sessionStorage ?? null;
  } catch {
    return null; // forbidden
  }
}

/** Text that was never there before. */
export function unique() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export const clock = {
  now: () => performance.now(),
  after: (ms, run) => setTimeout(run, ms),
  cancel: (timer) => clearTimeout(timer),
};
