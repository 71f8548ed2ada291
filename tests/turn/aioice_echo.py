"""Relays datagrams through TURN with aioice's client, to an echo here and back: HOST PORT TRANSPORT."""

import asyncio
import ssl
import sys

from aioice.turn import create_turn_endpoint

COUNT = 200


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, source):
        self.transport.sendto(data, source)


class Receiver(asyncio.DatagramProtocol):
    def __init__(self):
        self.received = asyncio.Queue()

    def datagram_received(self, data, source):
        self.received.put_nowait(data)


async def main(host, port, transport):
    context = None
    if transport == "tls":
        # The relay's certificate is one that nobody has signed.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    relayed, receiver = await create_turn_endpoint(
        Receiver,
        server_addr=(host, int(port)),
        username="u",
        password="p",
        transport="udp" if transport == "udp" else "tcp",
        ssl=context,
    )
    loop = asyncio.get_running_loop()
    echo, _ = await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
    peer = echo.get_extra_info("sockname")
    for number in range(COUNT):
        data = bytes([number]) * (1 + 7 * number)
        relayed.sendto(data, peer)
        assert await receiver.received.get() == data
    relayed.close()
    echo.close()
    print(f"{COUNT} came back")


asyncio.run(asyncio.wait_for(main(*sys.argv[1:]), 30))
