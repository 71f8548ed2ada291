// The browser library's one socket: how it comes back, and when it is not believed. Sockets and time are the test's.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { retryDelay } from '../../services/signal/web/trunkline/backoff.js';
import { Connection } from '../../services/signal/web/trunkline/connection.js';

const WINDOW = 8000;

/** A connection whose sockets and time are in the test's hands. */
function open() {
  const timers = new Map();
  const sockets = [];
  const told = [];
  const time = { now: 0 };
  let last = 0;
  const clock = {
    now: () => time.now,
    after: (ms, run) => (timers.set((last += 1), { at: time.now + ms, run }), last),
    cancel: (timer) => timers.delete(timer),
  };
  const connection = new Connection({
    url: 'ws://node/v1/connect',
    events: {
      opened: () => told.push('opened'),
      received: (text) => told.push(text),
      lost: ({ code }) => told.push(`lost ${code}`),
      refused: ({ code }) => told.push(`refused ${code}`),
      windowMs: () => WINDOW,
    },
    make: () => {
      const socket = { readyState: 0, sent: [], send: (text) => socket.sent.push(text), close: () => { socket.readyState = 3; } };
      sockets.push(socket);
      return socket;
    },
    clock,
    random: () => 1,
  });
  connection.open();
  return {
    connection,
    sockets,
    told,
    get socket() {
      return sockets.at(-1);
    },
    accept() {
      sockets.at(-1).readyState = 1;
      sockets.at(-1).onopen();
      sockets.at(-1).onmessage({ data: 'welcome' });
    },
    lose(code = 1006) {
      sockets.at(-1).readyState = 3;
      sockets.at(-1).onclose({ code, reason: '' });
    },
    pass(ms) {
      const end = time.now + ms;
      for (;;) {
        const due = [...timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at)[0];
        if (!due) break;
        timers.delete(due[0]);
        time.now = due[1].at;
        due[1].run();
      }
      time.now = end;
    },
  };
}

test('the back-off is a second at most while the window runs, half a minute after it, and never without jitter', () => {
  const delay = (attempt, outage, random = 1) => retryDelay({ attempt, outage, windowMs: WINDOW, random: () => random });
  assert.deepEqual([0, 1, 2, 3, 4, 9].map((attempt) => delay(attempt, 0)), [100, 200, 400, 800, 1000, 1000]);
  assert.equal(delay(99, WINDOW), 30000);
  for (const outage of [0, WINDOW]) assert.equal(delay(99, outage, 0), 0);
});

test('a socket that is lost is followed by another', () => {
  const page = open();
  page.accept();
  page.lose();
  page.pass(100);
  assert.equal(page.sockets.length, 2);
  page.accept();
  assert.deepEqual(page.told, ['opened', 'welcome', 'lost 1006', 'opened', 'welcome']);
});

test('a node that is away for a window is tried at least once a second', () => {
  const page = open();
  for (let passed = 0; passed < WINDOW; passed += 50) {
    if (page.socket.readyState === 0) page.lose();
    page.pass(50);
  }
  assert.ok(page.sockets.length >= WINDOW / 1000 + 2, `${page.sockets.length} tries`);
});

test('codes from 3500 to 3999 end it, others do not', () => {
  for (const code of [1000, 1001, 1006, 1011, 3000, 3008, 3499, 4000]) {
    const page = open();
    page.accept();
    page.lose(code);
    page.pass(100);
    assert.equal(page.sockets.length, 2, `${code}`);
  }
  for (const code of [3500, 3502, 3503, 3999]) {
    const page = open();
    page.accept();
    page.lose(code);
    page.pass(60000);
    page.connection.wake();
    assert.equal(page.sockets.length, 1, `${code}`);
    assert.equal(page.told.at(-1), `refused ${code}`);
  }
});

test('one that was superseded just after it has returned, by its own last socket perhaps, comes back once', () => {
  const page = open();
  page.accept();
  page.connection.settled();
  page.lose();
  page.pass(1000);
  page.accept();
  page.connection.settled();
  page.lose(3502);
  page.pass(1000);
  assert.equal(page.sockets.length, 3);
  page.accept();
  page.connection.settled();
  page.lose(3502);
  page.pass(60000);
  assert.equal(page.sockets.length, 3);
  assert.equal(page.told.at(-1), 'refused 3502');
});

test('a page that wakes does not wait for the next try', () => {
  const page = open();
  page.lose();
  page.connection.wake();
  assert.equal(page.sockets.length, 2);
  page.pass(1000);
  assert.equal(page.sockets.length, 2, 'and that one is not made any more');
});

test('a page that wakes does not believe its socket, unless it answers', () => {
  const page = open();
  page.accept();
  page.connection.wake();
  assert.deepEqual(page.socket.sent, ['{"type":"ping"}']);
  page.socket.onmessage({ data: '{"type":"pong"}' });
  page.pass(10000);
  assert.equal(page.sockets.length, 1);
  page.connection.wake();
  page.pass(4000 + 100);
  assert.equal(page.sockets.length, 2);
});

test('a socket that does not open, greet or answer is given up', () => {
  const dead = open();
  dead.pass(5100);
  assert.equal(dead.sockets.length, 2);

  const silent = open();
  silent.socket.readyState = 1;
  silent.socket.onopen();
  silent.pass(5100);
  assert.equal(silent.sockets.length, 2);

  const lost = open();
  lost.accept();
  lost.pass(20000 + 4000 + 100);
  assert.equal(lost.sockets.length, 2);
});

test('nothing that an earlier socket says is heard', () => {
  const page = open();
  page.accept();
  const [first] = page.sockets;
  page.connection.replace();
  page.pass(100);
  assert.equal(first.onmessage, null);
  assert.equal(first.readyState, 3);
  assert.equal(page.sockets.length, 2);
});

test('what is closed stays closed', () => {
  const page = open();
  page.accept();
  page.connection.close();
  page.connection.wake();
  page.connection.replace();
  page.pass(60000);
  assert.equal(page.sockets.length, 1);
});
