// Pages that reach each other through relays alone, and which node and which relay each has.

import { openMember } from '../harness/js/library.mjs';

/**
 * A page in a room whose connections go through the relay at `port` and no other. `node()` is the signalling node that it
 * is at now.
 */
export async function openRelayed(own, browser, site, url, { port, ...who }) {
  const welcomes = [];
  const opening = {
    newContext: async (options) => {
      const context = await browser.newContext(options);
      await context.addInitScript(useOneRelay, port);
      context.on('page', (page) => page.on('websocket', (socket) => socket.on('framereceived', hear)));
      return context;
    },
  };
  const hear = ({ payload }) => {
    const frame = JSON.parse(payload);
    if (frame.type === 'welcome') welcomes.push(frame.node);
  };
  const member = await openMember(own, opening, site, url, who);
  return Object.assign(member, { node: () => welcomes.at(-1) });
}

/** Runs inside the page, before anything else. */
function useOneRelay(port) {
  const isHere = (url) => url.includes(`:${port}?`);
  const only = ({ iceServers = [], ...rest } = {}) => ({
    ...rest,
    iceServers: iceServers.filter(({ urls }) => [urls].flat().some(isHere)),
    iceTransportPolicy: 'relay',
  });
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(configuration) {
      super(only(configuration));
    }

    setConfiguration(configuration) {
      super.setConfiguration(only(configuration));
    }
  };
}

/** The pair that the page's last connection uses: what both ends are, and whose relay ours is. */
export const path = ({ page }) => page.evaluate(async () => {
  const reports = [...(await connections.at(-1).getStats()).values()];
  const find = (wanted) => reports.find(({ id }) => id === wanted);
  const pair = find(reports.find(({ type }) => type === 'transport')?.selectedCandidatePairId);
  const [local, remote] = [find(pair?.localCandidateId), find(pair?.remoteCandidateId)];
  return { types: [local?.candidateType, remote?.candidateType], relay: local?.url, remote: `${remote?.address}:${remote?.port}` };
});
