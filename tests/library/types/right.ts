// All of the library's interface, used as it is meant. It must compile.

import {
  answer,
  couple,
  createConnection,
  type Coupling,
  type FailReason,
  type Member,
  signaller,
  SignallingError,
} from '../../../services/signal/web/trunkline.js';

interface Person {
  name: string;
  status?: 'here' | 'away';
}

const bob = signaller<Person>('wss://signal.example.com', { room: 'tutorial', id: 'bob', token: 'secret', storage: null });

const members: ReadonlyMap<string, Member<Person>> = await bob.announce({ name: 'Bob' });
const names: string[] = [...members.values()].map(({ data }) => data.name);
const dialect: string | undefined = bob.members.get('sue')?.dialect;

const { id, data } = await bob.request({ name: 'Sue' }, { timeout: 1000, signal: AbortSignal.timeout(500) });
await bob.send(id, { hello: data.name, more: [1, null] });
bob.broadcast('hello');

bob.addEventListener('joined', ({ detail }) => names.push(detail.data.name));
bob.addEventListener('left', ({ detail }) => detail.reason === 'expired');
bob.addEventListener('message', ({ detail: { from, body } }) => [from, body], { once: true });
bob.addEventListener('state', ({ detail }) => detail.state === 'announced' && detail.peer);
bob.addEventListener('iceservers', ({ detail }) => detail.iceServers[0]?.urls);
bob.addEventListener('error', ({ detail }) => detail.code);
bob.addEventListener('requested', (event) => {
  if (event.detail.data.status === 'away') event.decline('away');
  else event.accept();
});

const connection: RTCPeerConnection = createConnection({ signaller: bob, iceTransportPolicy: 'relay' });
const coupling: Coupling<Person> = couple(connection, { name: 'Sue' }, bob, { timeout: 30000 });
coupling.addEventListener('statechange', ({ detail }) => detail.state === 'negotiating');
coupling.addEventListener('icecandidatepair', ({ detail }) => detail.local.type === 'relay' && detail.isRelayed);
coupling.addEventListener('active', ({ detail }) => detail.peer);
coupling.addEventListener('closed', ({ detail }) => detail.by === 'peer');
coupling.addEventListener('failed', ({ detail }) => {
  const reason: FailReason = detail.reason;
  return reason === 'no-match' ? 'Sue is not here' : detail.message;
});
const connected: RTCPeerConnectionState = coupling.connection.connectionState;

const answering = answer(bob, async ({ data: { name } }) => {
  if (name !== 'Sue') return null;
  return createConnection({ signaller: bob });
});
answering.addEventListener('coupling', ({ detail }) => detail.data?.name);
answering.close();
couple(createConnection({ signaller: bob }), 'sue', bob).close();

try {
  await bob.request({ peer: 'sue' });
} catch (error) {
  if (error instanceof SignallingError) console.log(error.reason, error.code, error.peer, error.temporary, connected, dialect);
}
bob.leave();
bob.close();
