// The lab is what it says: otherwise what is shown in it shows nothing.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { eventually, letPass } from '../harness/js/bounded.mjs';
import { Journal } from '../harness/js/journal.mjs';
import { scope } from '../harness/js/scope.mjs';
import { startServer } from '../harness/js/server.mjs';
import { ELSEWHERE, SECOND, SERVER, SIDES, linksOf, namespaces, startLab } from './lab.mjs';
import { serverListener, serverSocket, startProbe } from './sockets.mjs';

const LIMIT = { timeout: 90000 };

// What is on its way through a router when something sent later has come through.
const GRACE = 200;

const INDEPENDENT = 'endpoint-independent';
const DEPENDENT = 'address-and-port-dependent';

let lab;
before(() => {
  lab = startLab();
});
after(() => lab?.close());

/** RFC 5780 §4.3 and §4.4, with sockets of ours in place of a server that has two addresses. */
async function measure(own, side) {
  const { host, public: outside } = SIDES[side];
  const [asked, otherPort, otherAddress] = [
    await serverSocket(own, SERVER),
    await serverSocket(own, SERVER),
    await serverSocket(own, SECOND),
  ];
  const at = { asked: `${SERVER}:${asked.port}`, otherPort: `${SERVER}:${otherPort.port}`, otherAddress: `${SECOND}:${otherAddress.port}` };
  const probe = await startProbe(own, host);

  const first = await probe.socket();
  const mapped = [];
  for (const [socket, where] of [[asked, at.asked], [otherPort, at.otherPort], [otherAddress, at.otherAddress]]) {
    await first.send(where, 'mapping');
    mapped.push((await socket.until('mapping')).from);
  }
  for (const endpoint of mapped) assert.ok(endpoint.startsWith(`${outside}:`), `${endpoint} is not the router's`);

  // Strangers first: once the answer of the one that was asked is there, theirs would be.
  const second = await probe.socket();
  await second.send(at.asked, 'filtering');
  const { from } = await asked.until('filtering');
  otherAddress.send(from, 'other address');
  otherPort.send(from, 'other port');
  asked.send(from, 'answer');
  await second.until('answer');
  await letPass(GRACE);
  return {
    mapping: kind(mapped[0] === mapped[1], mapped[0] === mapped[2]),
    filtering: kind(second.got(['other port']).length > 0, second.got(['other address']).length > 0),
  };
}

/** In the words of RFC 4787: what is the same for another port of the same address, and for another address. */
function kind(samePort, sameAddress) {
  if (samePort && sameAddress) return INDEPENDENT;
  return samePort ? 'address-dependent' : DEPENDENT;
}

for (const [type, mapping, filtering] of [
  ['full-cone', INDEPENDENT, INDEPENDENT],
  ['port-restricted', INDEPENDENT, DEPENDENT],
  ['symmetric', DEPENDENT, DEPENDENT],
]) {
  test(`a ${type} router has ${mapping} mapping and ${filtering} filtering`, LIMIT, async (t) => {
    const { own } = scope(t);
    for (const side of ['a', 'b']) {
      lab.become(side, type);
      assert.deepEqual(await measure(own, side), { mapping, filtering }, `router ${side}`);
    }
  });
}

test('a symmetric router maps two sockets of one port range to ports that tell nothing of each other', LIMIT, async (t) => {
  const { own } = scope(t);
  lab.become('a', 'symmetric');
  const server = await serverSocket(own, SERVER);
  const probe = await startProbe(own, 'host-a');
  const kept = [];
  for (let turn = 0; turn < 8; turn += 1) {
    const socket = await probe.socket();
    await socket.send(`${SERVER}:${server.port}`, `turn ${turn}`);
    const { from } = await server.until(`turn ${turn}`);
    if (from.endsWith(`:${socket.port}`)) kept.push(socket.port);
  }
  // One might by chance.
  assert.ok(kept.length < 4, `kept their ports: ${kept}`);
});

test('a port-restricted router keeps a mapping though a stranger has sent to it first', LIMIT, async (t) => {
  const { own } = scope(t);
  lab.become('a', 'port-restricted');
  const { public: outside } = SIDES.a;
  const [server, stranger] = [await serverSocket(own, SERVER), await serverSocket(own, SECOND)];
  const probe = await startProbe(own, 'host-a');
  const socket = await probe.socket();
  stranger.send(`${outside}:${socket.port}`, 'early');
  await letPass(GRACE);
  await socket.send(`${SECOND}:${stranger.port}`, 'to the stranger');
  await socket.send(`${SERVER}:${server.port}`, 'to the server');
  assert.equal((await stranger.until('to the stranger')).from, `${outside}:${socket.port}`);
  assert.equal((await server.until('to the server')).from, `${outside}:${socket.port}`);
  assert.deepEqual(socket.got(['early']), []);
});

for (const [type, open, closed] of [
  ['udp-blocked', [443, 8080], []],
  ['tls-only', [443], [8080, 3478]],
]) {
  const what = `lets no UDP out, and TCP to ${open.join(' and ')}${closed.length ? ' alone' : ''}`;
  test(`a ${type} router ${what}`, LIMIT, async (t) => {
    const { own } = scope(t);
    const server = await serverSocket(own, SERVER, 443);
    for (const port of [...open, ...closed]) await serverListener(own, SERVER, port);
    for (const side of ['a', 'b']) {
      const probe = await startProbe(own, SIDES[side].host);
      const socket = await probe.socket();
      const knock = (text) => socket.send(`${SERVER}:443`, text);

      // What is not heard later is heard now.
      lab.become(side, 'port-restricted');
      await knock(`${side} before`);
      await server.until(`${side} before`);

      lab.become(side, type);
      await knock(`${side} meanwhile`);
      for (const port of open) assert.equal(await probe.tryTcp(SERVER, port), 'connected', `port ${port}`);
      for (const port of closed) assert.equal(await probe.tryTcp(SERVER, port), 'ECONNREFUSED', `port ${port}`);
      await letPass(GRACE);
      assert.deepEqual(server.got([`${side} meanwhile`]), []);
    }
  });
}

test('hosts reach the servers, and neither each other nor anything outside', LIMIT, async (t) => {
  const { own } = scope(t);
  for (const side of ['a', 'b']) lab.become(side, 'full-cone');
  for (const address of [SERVER, SECOND, ELSEWHERE]) await serverListener(own, address, 8080);
  const [ann, bob] = [await startProbe(own, 'host-a'), await startProbe(own, 'host-b')];
  for (const probe of [ann, bob]) {
    for (const address of [SERVER, SECOND, ELSEWHERE]) assert.equal(await probe.tryTcp(address, 8080), 'connected');
  }
  assert.equal(await ann.tryTcp('192.0.2.1', 80), 'no answer', 'an address of nobody’s');
  const [from, to] = [await ann.socket(), await bob.socket()];
  await from.send(`${SIDES.b.private}:${to.port}`, 'at its private address');
  await from.send(`${SIDES.b.public}:${to.port}`, 'at its public address');
  const { from: source } = await to.until('at its public address');
  assert.ok(source.startsWith(`${SIDES.a.public}:`), source);
  await letPass(GRACE);
  assert.deepEqual(to.got(['at its private address']), []);

  const expected = {
    internet: ['lo', 'bridge', 'server', 'router-a', 'router-b'],
    'router-a': ['lo', 'wan', 'lan'],
    'router-b': ['lo', 'wan', 'lan'],
    'host-a': ['lo', 'eth0'],
    'host-b': ['lo', 'eth0'],
  };
  for (const [name, links] of Object.entries(expected)) assert.deepEqual(linksOf(name).sort(), links.sort(), name);
  assert.deepEqual(linksOf().sort(), ['lo', 'wan'], 'where the servers are');
});

// A Binding request, RFC 8489 §14: nothing but its header.
const BINDING = Buffer.from('000100002112a442' + '74727572746c696e65212121', 'hex');

test('a relay at a wildcard answers clients behind a symmetric router from the address that they asked', LIMIT, async (t) => {
  const { own } = scope(t);
  lab.become('a', 'symmetric');
  const relay = await startServer({ command: 'turn', listen: { turn: '0.0.0.0:3478' }, args: ['--turn-user', 'u:p'] });
  own(relay, () => relay.stop());
  const probe = await startProbe(own, 'host-a');
  // An answer from another address would be a stranger's to the router.
  for (const address of [SECOND, SERVER, ELSEWHERE]) {
    const socket = await probe.socket();
    await socket.send(`${address}:3478`, BINDING);
    const isSuccess = ({ bytes }) => bytes.startsWith('0101') && bytes.includes(BINDING.toString('hex', 4));
    const { from } = await socket.journal.until(`an answer from ${address}`, isSuccess);
    assert.equal(from, `${address}:3478`);
  }

  // As a plain socket's is: the kernel prefers the first of the addresses.
  const plain = await serverSocket(own, '0.0.0.0');
  const socket = await probe.socket();
  await socket.send(`${SECOND}:${plain.port}`, 'asked');
  plain.send((await plain.until('asked')).from, 'answered');
  await letPass(GRACE);
  assert.deepEqual(socket.got(['answered']), []);
});

test('what is closed leaves nothing, and another can take its place', LIMIT, () => {
  lab.close();
  assert.deepEqual(namespaces(), []);
  assert.deepEqual(linksOf(), ['lo']);
  lab = startLab();
});

/** The processes that somebody runs with this argument. */
function running(argument) {
  const commandOf = (pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    } catch {
      return []; // It has ended.
    }
  };
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name) && commandOf(name).includes(argument));
}

test('a lab that is killed takes every process in it along', LIMIT, async (t) => {
  const { own } = scope(t);
  const { TEST_NAMESPACE: _, ...env } = process.env;
  const look = own(
    spawn(fileURLToPath(new URL('run', import.meta.url)), ['look', 'symmetric', 'symmetric'], {
      env: { ...env, SHELL: '/bin/sh' },
      stdio: ['pipe', 'pipe', 'inherit'],
    }),
    (child) => child.kill('SIGKILL'),
  );
  const said = new Journal('the lab within');
  look.stdout.on('data', (chunk) => said.append(`${chunk}`));
  const seconds = `${1000 + (process.pid % 1000)}.25`;
  look.stdin.write(`ip netns exec host-b sleep ${seconds} & ip netns exec router-a nft list ruleset\n`);
  await said.until('the rules of a router', (text) => text.includes('fully-random'), { within: 60000 });
  await eventually('the process in a LAN to run', () => running(seconds).length > 0);

  look.kill('SIGKILL');

  await eventually('the process in a LAN to end', () => running(seconds), (pids) => pids.length === 0);
});
