// Sue announces herself, and is called.

import { answer, createConnection, signaller } from '/trunkline.js';

export async function announceSue(room, willTalk) {
  const sue = signaller(location.origin, { room, storage: null });
  const answering = answer(sue, ({ data }) => {
    if (!willTalk()) return null; // declines
    const pc = createConnection({ signaller: sue });
    pc.ondatachannel = ({ channel }) => {
      const reply = (words) => `Hello ${data.name}, you said: ${words}`;
      channel.onmessage = (said) => channel.send(reply(said.data));
    };
    return pc;
  });
  await sue.announce({ name: 'Sue' });
  return { sue, answering };
}
