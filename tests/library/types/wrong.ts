// What the types are there to prevent: each line with the mark is an error, and no other is.

import { couple, createConnection, signaller } from '../../../services/signal/web/trunkline.js';

const bob = signaller<{ name: string }>('wss://signal.example.com', { room: 'tutorial' });

signaller('wss://signal.example.com', {}); // wrong
signaller('wss://signal.example.com', { room: 7 }); // wrong
bob.announce({ nick: 'Bob' }); // wrong
bob.request(); // wrong
bob.request({ name: 'Sue' }, { timeout: 'long' }); // wrong
bob.send({ to: 'sue' }); // wrong
bob.members.clear(); // wrong
bob.id = 'other'; // wrong
bob.addEventListener('messages', () => {}); // wrong
bob.addEventListener('joined', ({ detail }) => detail.data.nick); // wrong
bob.addEventListener('message', ({ detail }) => detail.body.text); // wrong
createConnection({}); // wrong
couple(createConnection({ signaller: bob }), { name: 'Sue' }); // wrong
couple(createConnection({ signaller: bob }), 'sue', bob).addEventListener('connected', () => {}); // wrong
