// The server as a process: where it can be reached and how it ends.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { connectRaw } from '../harness/js/raw.mjs';
import { connectPeer, meet, settle } from '../harness/js/rtcio.mjs';
import { scope } from '../harness/js/scope.mjs';
import { startServer } from '../harness/js/server.mjs';

const LIMIT = { timeout: 20000 };

test('a server that listens says that it is well', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.stop());

  const response = await fetch(`${server.url}/healthz`);

  assert.equal(response.status, 200);
});

// quickconnect tries `/` and then `/primus`, where switchboards before 3.0 were.
for (const endpoint of ['/', '/primus', '/?token=abc', '/primus?_primuscb=x']) {
  test(`a client that connects to ${endpoint} is in the same room as everybody`, LIMIT, async (t) => {
    const { own } = scope(t);
    const server = own(await startServer(), (s) => s.stop());
    const ann = own(connectPeer(server.url, { id: 'ann' }));
    const bob = own(connectPeer(server.url, { id: 'bob', endpoints: [endpoint] }));

    await meet([ann, bob], 'endpoints');

    await settle(ann, bob);
    await settle(bob, ann);
  });
}

test('a server told to stop closes its sockets with 1001 and exits', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.kill());
  const raw = own(await connectRaw(server.url));
  await raw.join('stop', 'raw');

  const { code } = await server.stop();

  assert.equal((await raw.untilClosed()).closed, 1001);
  assert.equal(code, 0, server.log.describe());
  assert.deepEqual(raw.frames('/leave'), []);
});

// What made switchboard 3.2.0 fall over, and what no client should send.
test('no frame brings the server down', LIMIT, async (t) => {
  const { own } = scope(t);
  const server = own(await startServer(), (s) => s.stop());
  const [ann, bob] = ['ann', 'bob'].map((id) => own(connectPeer(server.url, { id })));
  await meet([ann, bob], 'garbage');
  const garbage = [
    '', '|', '/', '//', '/|', '/to', '/to|', '/to||', '/announce', '/announce|x', '/announce|x|{', '/announce|x|null',
    '/announce|x|[]', '/announce|x|{"id":1,"room":[]}', '/error|x|1', '/leave', '/leave|x', '/roominfo|{"memberCount":9}',
    'primus::ping::1', '\u0000', '{"type":"nothing"}', '"', '['.repeat(2000), Buffer.from([0, 255, 1]),
  ];

  for (const frame of garbage) {
    // A socket of its own each: the server may well close it.
    const mal = own(await connectRaw(server.url, `sender of ${JSON.stringify(frame)}`));
    mal.send('/announce|mal|{"id":"mal","room":"elsewhere"}');
    mal.send(frame);
    mal.send('/to|ann|/forged|mal');
    await mal.flushed();
    mal.close();
  }

  await settle(ann, bob);
  await settle(bob, ann);
  assert.deepEqual(ann.events('disconnected'), []);
  assert.deepEqual(ann.frames('/forged'), []);
  assert.equal((await fetch(`${server.url}/healthz`)).status, 200);
});
