// Bob announces himself, and calls.

import { couple, createConnection, signaller } from '/trunkline.js';

export async function announceBob(room) {
  // No storage: who reloads this page is somebody new.
  const bob = signaller(location.origin, { room, storage: null });
  await bob.announce({ name: 'Bob' });
  return bob;
}

export function call(name, bob) {
  const pc = createConnection({ signaller: bob });
  const channel = pc.createDataChannel('words');
  channel.onopen = () => channel.send('Hello, this is Bob');
  const coupling = couple(pc, { name }, bob);
  return { coupling, channel };
}
