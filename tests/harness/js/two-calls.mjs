// Both ends of a call of the demo page in one page, with what they say to each other in the test's hands.

/** Makes the two in a page that the node serves; they use the relay alone. */
export async function openTwoCalls(page) {
  await page.evaluate(introduce);
  return {
    /** Hands to `to` what the other has said to it, in order, up to so many and of these kinds; says how many. */
    deliver: (to, kinds, most) =>
      page.evaluate(([name, ...rest]) => window.calls.deliver(name, ...rest), [to, kinds, most]),
    /** Loses what waits for `to`; says how many there were. */
    lose: (to) => page.evaluate((name) => window.calls.take(name).length, to),
    /** From now on everything arrives at once. */
    letThrough: () => page.evaluate(() => window.calls.letThrough()),
    openCamera: (name) => page.evaluate((who) => window.calls.openCamera(who), name),
    nudge: (name) => page.evaluate((who) => window.calls.ends[who].nudge(), name),
    /** What waits for each, what each has noted, and how far each is. */
    look: () => page.evaluate(() => window.calls.look()),
  };
}

/** Runs inside the page. */
async function introduce() {
  const { Call } = await import('/demo/call.js');
  const { iceServers } = await (await fetch('/v1/ice')).json();
  const connections = [];
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...settings) {
      super(...settings);
      connections.push(this);
    }
  };
  const waiting = { impolite: [], polite: [] };
  const notes = { impolite: [], polite: [] };
  const frames = { impolite: 0, polite: 0 };
  let isOpen = false;

  // The one with the greater id is polite.
  const ids = { impolite: 'a', polite: 'b' };
  const other = { impolite: 'polite', polite: 'impolite' };
  const ends = {};
  for (const name of ['impolite', 'polite']) {
    ends[name] = new Call({
      selfId: ids[name],
      peerId: ids[other[name]],
      peerName: other[name],
      media: 'video',
      incoming: name === 'polite',
      open: () => new RTCPeerConnection({ iceServers, iceTransportPolicy: 'relay' }),
      send: (cmd, data) => {
        waiting[other[name]].push({ cmd, data: JSON.parse(JSON.stringify(data)) });
        if (isOpen) deliver(other[name]);
      },
    });
    ends[name].addEventListener('note', ({ detail }) => notes[name].push(detail));
  }

  function take(name, kinds = ['/description', '/candidate'], most = Infinity) {
    const taken = waiting[name].filter(({ cmd }) => kinds.includes(cmd)).slice(0, most);
    waiting[name] = waiting[name].filter((message) => !taken.includes(message));
    return taken;
  }

  function deliver(name, kinds, most) {
    const taken = take(name, kinds ?? undefined, most ?? undefined);
    for (const { cmd, data } of taken) {
      if (cmd === '/description') ends[name].onDescription(data);
      if (cmd === '/candidate') ends[name].onCandidate(data);
    }
    return taken.length;
  }

  async function framesOf(connection) {
    const reports = connection ? [...(await connection.getStats()).values()] : [];
    return reports.reduce((sum, { type, framesDecoded }) => sum + (type === 'inbound-rtp' ? framesDecoded ?? 0 : 0), 0);
  }

  window.calls = {
    ends,
    take,
    deliver,
    letThrough() {
      isOpen = true;
      for (const name of ['impolite', 'polite']) deliver(name);
    },
    async openCamera(name) {
      ends[name].attach(await navigator.mediaDevices.getUserMedia({ video: true, audio: true }));
    },
    async look() {
      const [impolite, polite] = connections;
      frames.impolite = await framesOf(impolite);
      frames.polite = await framesOf(polite);
      const side = (name, connection) => ({
        waiting: waiting[name].map(({ cmd, data }) => data.type ?? (data.candidate ? 'candidate' : 'end')),
        state: ends[name].state,
        frames: frames[name],
        signalingState: connection?.signalingState,
        notes: notes[name],
      });
      return { impolite: side('impolite', impolite), polite: side('polite', polite) };
    },
  };
  ends.impolite.connect();
  ends.polite.connect();
}
