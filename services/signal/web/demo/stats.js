// What getStats() says about the path a call really uses.

/** { kind, family, protocol, rtt, types } of the pair in use, or null. */
export async function readPair(pc) {
  const report = await pc.getStats();
  const pair = selectedPair(report);
  if (!pair) return null;
  const local = report.get(pair.localCandidateId) ?? {};
  const remote = report.get(pair.remoteCandidateId) ?? {};
  // Either side's relay is enough for what is sent to pass through one.
  const relayed = local.candidateType === 'relay' || remote.candidateType === 'relay';
  return {
    kind: relayed ? 'relayed' : 'direct',
    family: family(local) ?? family(remote) ?? 'mDNS',
    protocol: local.relayProtocol ?? local.protocol ?? remote.protocol ?? 'udp',
    rtt: pair.currentRoundTripTime === undefined ? null : pair.currentRoundTripTime * 1000,
    types: `${local.candidateType ?? 'hidden'} to ${remote.candidateType ?? 'hidden'}`,
  };
}

function selectedPair(report) {
  let nominated = null;
  for (const stat of report.values()) {
    if (stat.type === 'transport' && stat.selectedCandidatePairId) {
      return report.get(stat.selectedCandidatePairId) ?? null;
    }
    // Firefox marks the pair in use `selected`; others nominate one that succeeded.
    if (stat.type !== 'candidate-pair' || stat.state !== 'succeeded') continue;
    if (stat.selected || (stat.nominated && !nominated?.selected)) nominated = stat;
  }
  return nominated;
}

function family({ address, ip }) {
  const text = address ?? ip ?? '';
  if (!text || text.endsWith('.local')) return null;
  return text.includes(':') ? 'IPv6' : 'IPv4';
}

export function milliseconds(value) {
  if (value === null || value === undefined) return '';
  return value < 1 ? '<1 ms' : `${Math.round(value)} ms`;
}

/** Such as `direct · IPv4 · udp · 3 ms`. */
export function pairText({ kind, family: net, protocol, rtt }) {
  return [kind, net, protocol, milliseconds(rtt)].filter(Boolean).join(' · ');
}
