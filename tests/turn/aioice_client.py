"""aioice as the relay's client: `aioice_client.py HOST PORT`, for the user `u` with the password `p`.

Says what holds, a line each, and ends with 1 where something does not.
"""

import asyncio
import sys

import aioice
from aioice.turn import create_turn_endpoint

RELAY = (sys.argv[1], int(sys.argv[2]))
PATIENCE = 20
# The largest is the largest that Ethernet carries whole with the relay's header before it.
SIZES = [1, 2, 3, 4, 160, 1000, 1450]


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, source):
        self.transport.sendto(data, source)


class Received(asyncio.DatagramProtocol):
    def __init__(self):
        self.datagrams = asyncio.Queue()

    def datagram_received(self, data, source):
        self.datagrams.put_nowait((data, source))

    def error_received(self, error):
        self.datagrams.put_nowait((error, None))


async def echo_comes_back():
    """What is sent through an allocation to an echo comes back, in every size, though the channel is refreshed."""
    echo, _ = await asyncio.get_running_loop().create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
    peer = echo.get_extra_info("sockname")
    transport, received = await create_turn_endpoint(
        Received, server_addr=RELAY, username="u", password="p", channel_refresh_time=1
    )
    for turn in range(3):
        for size in SIZES:
            data = bytes([turn + 1]) * size
            transport.sendto(data, peer)
            assert await received.datagrams.get() == (data, peer)
        # Not before the channel is due for its refresh.
        await asyncio.sleep(1.1)
    transport.close()
    echo.close()


async def agents_connect():
    """Two ICE agents that use the relay alone connect and talk."""
    agents = [
        aioice.Connection(
            ice_controlling=controlling,
            turn_server=RELAY,
            turn_username="u",
            turn_password="p",
            use_ipv6=False,
            transport_policy=aioice.TransportPolicy.RELAY,
        )
        for controlling in (True, False)
    ]
    for agent in agents:
        await agent.gather_candidates()
        assert [candidate.type for candidate in agent.local_candidates] == ["relay"], agent.local_candidates
    for agent, other in (agents, agents[::-1]):
        for candidate in other.local_candidates:
            await agent.add_remote_candidate(candidate)
        await agent.add_remote_candidate(None)
        agent.remote_username, agent.remote_password = other.local_username, other.local_password
    await asyncio.gather(*(agent.connect() for agent in agents))
    for agent, other, text in ((*agents, b"from one"), (*agents[::-1], b"from the other")):
        await agent.send(text)
        assert await other.recv() == text
    for agent in agents:
        await agent.close()


async def wrong_password_is_refused():
    """A wrong password gets no allocation."""
    try:
        await create_turn_endpoint(Received, server_addr=RELAY, username="u", password="wrong")
    except aioice.stun.TransactionFailed as failure:
        code, _ = failure.response.attributes["ERROR-CODE"]
        assert code == 401, code
    else:
        raise AssertionError("an allocation")


async def main():
    for claim in (echo_comes_back, agents_connect, wrong_password_is_refused):
        await asyncio.wait_for(claim(), PATIENCE)
        print(claim.__doc__)


asyncio.run(main())
