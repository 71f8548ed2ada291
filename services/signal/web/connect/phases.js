// The three phases of a call as a list: how far each is, how long it took, and what was said.

const MOST_LINES = 60;
const PHASES = ['discovery', 'handshaking', 'network'];
const TITLES = { discovery: 'Discovery', handshaking: 'Handshaking', network: 'Network negotiation' };
/** Of a coupling's states, the phase that goes on in each. */
const DURING = { requesting: 'discovery', negotiating: 'handshaking', connecting: 'network' };
const STATES = { waiting: 'not yet', running: 'now', done: 'done', failed: 'failed' };

export class Phases {
  #list; #told;
  #calledAt = null;
  #begunAt = 0;
  #current = null;

  /** `told` is read to those who do not see the list. */
  constructor(list, told) {
    this.#list = list;
    this.#told = told;
  }

  get current() {
    return this.#current;
  }

  /** A call begins. What was said before it, of who is there, stays. */
  begin(at = performance.now()) {
    this.#calledAt = this.#begunAt = at;
    for (const line of this.#list.querySelectorAll('.said li:not([data-before])')) line.remove();
    for (const phase of PHASES) this.#mark(phase, 'waiting', '');
    this.#enter('discovery');
  }

  /** The coupling is in another state. Says in words what is over by that. */
  reach(state) {
    const next = DURING[state] ?? null;
    if (state === 'failed' || state === 'closed') return this.#stop(state);
    if (PHASES.indexOf(next) < PHASES.indexOf(this.#current) && next) return undefined; // a path that was lost and is looked for
    if (this.#current) this.#mark(this.#current, 'done', this.#elapsed());
    const over = this.#current && `${TITLES[this.#current]} took ${this.#elapsed()}.`;
    this.#enter(next);
    if (over) this.say(state === 'active' ? `${over} Connected ${this.#since(this.#calledAt)} after the call.` : over);
    return undefined;
  }

  note(phase, { who, words, frame, at }) {
    const list = this.#list.querySelector(`[data-phase="${phase}"] .said`);
    const line = document.createElement('li');
    if (this.#calledAt === null || at < this.#calledAt) line.dataset.before = '';
    line.dataset.type = frame.type;
    const time = element('time', this.#calledAt === null ? '' : `${Math.max(0, Math.round(at - this.#calledAt))} ms`);
    const details = document.createElement('details');
    details.append(element('summary', `${who} ${words}`), element('code', JSON.stringify(frame)));
    line.append(time, details);
    list.append(line);
    while (list.children.length > MOST_LINES) list.firstElementChild.remove();
  }

  say(text) {
    this.#told.textContent = text;
  }

  #stop(state) {
    if (this.#current) this.#mark(this.#current, state === 'failed' ? 'failed' : 'done', this.#elapsed());
    this.#enter(null);
  }

  #enter(phase) {
    this.#current = phase;
    this.#begunAt = performance.now();
    if (phase) this.#mark(phase, 'running', '');
  }

  #mark(phase, state, took) {
    const item = this.#list.querySelector(`[data-phase="${phase}"]`);
    item.dataset.state = state;
    item.querySelector('.state').textContent = STATES[state];
    item.querySelector('.took').textContent = took;
  }

  #elapsed() {
    return this.#since(this.#begunAt);
  }

  #since(at) {
    const passed = performance.now() - at;
    return passed < 10 ? `${passed.toFixed(1)} ms` : `${Math.round(passed)} ms`;
  }
}

function element(tag, text) {
  const node = document.createElement(tag);
  node.textContent = text;
  return node;
}
