// The browser library's STUN and TURN servers: connections have those of the node, and have fresh ones in time.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import { IceServers } from '../../services/signal/web/trunkline/ice.js';

const SERVER = (name) => ({ urls: `turn:${name}`, username: name, credential: name });

let asked;
let answers;
const before = { fetch: globalThis.fetch, RTCPeerConnection: globalThis.RTCPeerConnection };
beforeEach(() => {
  [asked, answers] = [[], []];
  globalThis.RTCPeerConnection = class {
    signalingState = 'stable';
    constructor(configuration) {
      this.configuration = configuration;
    }
    getConfiguration() {
      return this.configuration;
    }
    setConfiguration(configuration) {
      this.configuration = configuration;
    }
  };
  globalThis.fetch = async (url) => {
    asked.push(String(url));
    return answers.shift() ?? { ok: false, status: 503 };
  };
});
afterEach(() => Object.assign(globalThis, before));

function open(t, url = 'wss://node.example/v1/connect', token = undefined) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const told = [];
  const ice = new IceServers({ url, token, told: ({ iceServers }) => told.push(iceServers[0]?.username) });
  return { ice, told, pass: (ms) => t.mock.timers.tick(ms), settled: () => new Promise((done) => setImmediate(done)) };
}

const take = (ice, name, ttl = 100) => ice.take({ iceServers: [SERVER(name)], ttl });
const names = ({ configuration }) => configuration.iceServers.map(({ username }) => username);

test('a connection has its own servers and the node’s, also when it was made before they were known', (t) => {
  const { ice } = open(t);
  const own = SERVER('own');
  const early = ice.connect({ iceServers: [own], iceTransportPolicy: 'relay' });
  assert.deepEqual(names(early), ['own']);
  take(ice, 'first');
  const late = ice.connect({});
  assert.deepEqual([names(early), names(late)], [['own', 'first'], ['first']]);
  assert.equal(early.configuration.iceTransportPolicy, 'relay');
  take(ice, 'second');
  assert.deepEqual([names(early), names(late)], [['own', 'second'], ['second']]);
});

test('a connection that is closed is left alone', (t) => {
  const { ice } = open(t);
  const connection = ice.connect({});
  connection.signalingState = 'closed';
  take(ice, 'first');
  assert.deepEqual(names(connection), []);
});

test('servers that the node does not renew are asked for before they end', async (t) => {
  const { ice, told, pass, settled } = open(t, 'ws://node.example:8080/v1/connect', 'to ken');
  answers.push({ ok: true, json: async () => ({ iceServers: [SERVER('fresh')], ttl: 100 }) });
  take(ice, 'first');
  pass(74000);
  assert.deepEqual(asked, []);
  pass(2000);
  await settled();
  assert.deepEqual(asked, ['http://node.example:8080/v1/ice?token=to+ken']);
  assert.deepEqual(told, ['first', 'fresh']);
});

test('the same node is asked, wherever its path begins, and with all that its address has', (t) => {
  const places = [
    ['wss://node.example/v1/connect', undefined, 'https://node.example/v1/ice'],
    ['wss://node.example/behind/v1/connect?key=k', undefined, 'https://node.example/behind/v1/ice?key=k'],
    ['ws://node.example/a/b/v1/connect?key=k', 't', 'http://node.example/a/b/v1/ice?key=k&token=t'],
    ['wss://node.example/v1/connect', null, 'https://node.example/v1/ice'],
  ];
  for (const [url, token, expected] of places) {
    const { ice, pass } = open(t, url, token);
    take(ice, 'first');
    pass(75000);
    assert.equal(asked.at(-1), expected);
    ice.close();
    t.mock.timers.reset();
  }
});

test('what is no list of servers is not taken, and asked for again', async (t) => {
  const { ice, told, pass, settled } = open(t);
  take(ice, 'first');
  pass(75000);
  const servers = [SERVER('fresh')];
  const wrong = [null, [], {}, { ttl: 100 }, { iceServers: {}, ttl: 100 }, { iceServers: [null], ttl: 100 }, { iceServers: servers }];
  for (const fresh of wrong) {
    const before = asked.length;
    answers.push({ ok: true, json: async () => fresh });
    await settled();
    pass(30000);
    await settled();
    assert.equal(asked.length, before + 1, JSON.stringify(fresh));
    assert.deepEqual([told, ice.current], [['first'], [SERVER('first')]], JSON.stringify(fresh));
  }
});

test('servers that the node renews are not asked for', (t) => {
  const { ice, pass } = open(t);
  for (let second = 0; second < 300; second += 60) {
    take(ice, `at ${second}`);
    pass(60000);
  }
  assert.deepEqual(asked, []);
});

test('who gets no answer asks again, less and less often, until there is one', async (t) => {
  const { ice, told, pass, settled } = open(t);
  take(ice, 'first');
  pass(75000);
  for (const wait of [2000, 4000, 8000]) {
    await settled();
    pass(wait - 1);
    const before = asked.length;
    pass(1);
    assert.equal(asked.length, before + 1, `after ${wait} ms`);
  }
  answers.push({ ok: true, json: async () => ({ iceServers: [SERVER('fresh')], ttl: 100 }) });
  await settled();
  pass(16000);
  await settled();
  assert.deepEqual(told, ['first', 'fresh']);
});

test('servers that last for ever are not renewed, nor is anything once it is closed', (t) => {
  const { ice, pass } = open(t);
  take(ice, 'lasting', 0);
  pass(1e9);
  take(ice, 'short');
  ice.close();
  pass(1e6);
  assert.deepEqual(asked, []);
});
