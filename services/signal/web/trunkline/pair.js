// Which way a connection goes.

/** The pair of candidates in use, or null. */
export async function readPair(pc) {
  const reports = new Map([...(await pc.getStats()).values()].map((report) => [report.id, report]));
  const all = [...reports.values()];
  // Chromium's transport names the pair, Firefox marks it.
  const named = all.find(({ type, selectedCandidatePairId }) => type === 'transport' && selectedCandidatePairId);
  const pair = reports.get(named?.selectedCandidatePairId)
    ?? all.find(({ type, selected }) => type === 'candidate-pair' && selected);
  const [local, remote] = [reports.get(pair?.localCandidateId), reports.get(pair?.remoteCandidateId)];
  if (!local || !remote) return null;
  return {
    local: ends(local),
    remote: ends(remote),
    isRelayed: [local, remote].some(({ candidateType }) => candidateType === 'relay'),
    roundTripTime: pair.currentRoundTripTime,
  };
}

function ends({ candidateType, protocol, relayProtocol, address, port }) {
  return { type: candidateType, protocol, relayProtocol, address, port };
}

/** Calls `changed` whenever the pair changes, where a browser tells. */
export function watchPair(pc, changed, signal) {
  const transports = [pc.sctp?.transport, ...pc.getTransceivers().map(({ sender }) => sender.transport)];
  for (const transport of new Set(transports.map((dtls) => dtls?.iceTransport))) {
    transport?.addEventListener?.('selectedcandidatepairchange', changed, { signal });
  }
}
