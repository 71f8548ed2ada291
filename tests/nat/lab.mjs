// Two LANs behind routers, and the Internet between them, in network namespaces.
//
//   host-a 10.77.1.10 ── router-a 198.51.100.101 ┐
//                                                ├─ internet ── this process: 198.51.100.10, 198.51.100.11 and
//   host-b 10.77.2.10 ── router-b 198.51.100.102 ┘                            203.0.113.10
//
// This process, with the servers that it starts, is where the servers are: in the namespace that `tests/nat/run` has
// made, which has no other link. The public addresses are of ranges for documentation (RFC 5737).

import { execFileSync } from 'node:child_process';

import { isInside } from '../harness/js/namespace.mjs';
import { rulesOf } from './routers.mjs';

/** Where servers are. The third is of another network than the routers, and of none that a relay is told to allow. */
export const SERVER = '198.51.100.10';
export const SECOND = '198.51.100.11';
export const ELSEWHERE = '203.0.113.10';

/** What a relay must allow for the routers, and nothing else, to be its peers. */
export const PUBLIC_RANGE = '198.51.100.0/24';

export const SIDES = {
  a: { router: 'router-a', public: '198.51.100.101', host: 'host-a', private: '10.77.1.10', gateway: '10.77.1.1' },
  b: { router: 'router-b', public: '198.51.100.102', host: 'host-b', private: '10.77.2.10', gateway: '10.77.2.1' },
};

const NAMESPACES = ['internet', ...Object.values(SIDES).flatMap(({ router, host }) => [router, host])];

// For a machine that is busy with something else: none of these waits for the network.
const BOUND = { encoding: 'utf8', timeout: 60000 };
const sh = (script) => execFileSync('sh', ['-ec', script], BOUND);
const ip = (...args) => execFileSync('ip', args, BOUND);

/** The interfaces that are up in a namespace, or in this one. */
export const linksOf = (namespace) =>
  JSON.parse(ip(...(namespace ? ['-n', namespace] : []), '-json', 'link', 'show', 'up')).map(({ ifname }) => ifname);

export const namespaces = () => JSON.parse(ip('-json', 'netns', 'list') || '[]').map(({ name }) => name);

/** Sets up the network with these types of routers; `become` makes another of one of them. */
export function startLab({ a = 'port-restricted', b = 'port-restricted' } = {}) {
  const links = isInside() ? linksOf() : ['those of this machine'];
  if (links.join() !== 'lo') throw new Error(`not in an empty network, but one with ${links}: run tests/nat/run`);

  const lab = {
    become(side, type) {
      const { router, private: host } = SIDES[side];
      execFileSync('ip', ['netns', 'exec', router, 'nft', '-f', '-'], { ...BOUND, input: rulesOf(type, host) });
      // With its old mappings it would still be what it was.
      execFileSync('ip', ['netns', 'exec', router, 'conntrack', '--flush'], { ...BOUND, stdio: 'ignore' });
    },

    close() {
      for (const name of namespaces()) ip('netns', 'delete', name);
      // Its other end is in a namespace that the kernel may take a moment to remove.
      sh('ip link delete wan 2>/dev/null || true');
    },
  };
  // However this ends: the next file's lab begins with nothing.
  process.once('exit', lab.close);
  try {
    sh(SETUP);
    lab.become('a', a);
    lab.become('b', b);
  } catch (failure) {
    lab.close();
    throw failure;
  }
  return lab;
}

const PLUG_INTO_INTERNET = (namespace, port) => `
  ip link add wan ${namespace ? `netns ${namespace}` : ''} type veth peer name ${port} netns internet
  ip -n internet link set ${port} master bridge up
  ip ${namespace ? `-n ${namespace}` : ''} link set wan up`;

const SETUP = `
  ${NAMESPACES.map((name) => `ip netns add ${name}; ip -n ${name} link set lo up`).join('\n')}
  # Nothing here is about IPv6, and what hosts say in it by themselves would come between.
  echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6
  for name in ${NAMESPACES.join(' ')}; do
    ip netns exec $name sh -c 'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6'
  done
  # Does not route, and says nothing: as the Internet does with what is for a private network.
  ip -n internet link add bridge type bridge
  ip -n internet address add 198.51.100.1/24 dev bridge
  ip -n internet address add 203.0.113.1/24 dev bridge
  ip -n internet link set bridge up
  ${PLUG_INTO_INTERNET('', 'server')}
  for address in ${SERVER} ${SECOND} ${ELSEWHERE}; do ip address add $address/24 dev wan; done
  ip route add default via 198.51.100.1
  ${Object.values(SIDES).map(setUpSide).join('\n')}`;

function setUpSide(side) {
  const { router, host } = side;
  return `
    ${PLUG_INTO_INTERNET(router, router)}
    ip -n ${router} address add ${side.public}/24 dev wan
    ip -n ${router} route add 203.0.113.0/24 dev wan
    ip -n ${router} route add default via 198.51.100.1
    ip link add lan netns ${router} type veth peer name eth0 netns ${host}
    ip -n ${router} address add ${side.gateway}/24 dev lan
    ip -n ${router} link set lan up
    ip -n ${host} address add ${side.private}/24 dev eth0
    ip -n ${host} link set eth0 up
    ip -n ${host} route add default via ${side.gateway}
    ip netns exec ${router} sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'`;
}
