"""Calls through TURN with aiortc, by relayed candidates alone, and echoes over a data channel: HOST PORT URL
CERTIFICATE, such as turns:HOST:PORT?transport=tcp and the file of the certificate that is trusted, or nothing for the
system's."""

import asyncio
import os
import sys

from aiortc import (
    RTCConfiguration,
    RTCIceServer,
    RTCIceTransportPolicy,
    RTCPeerConnection,
    RTCSessionDescription,
)

COUNT = 50


def peer(url):
    server = RTCIceServer(urls=[url], username="u", credential="p")
    only_relayed = RTCIceTransportPolicy.RELAY
    return RTCPeerConnection(RTCConfiguration([server], iceTransportPolicy=only_relayed))


def relayed(description):
    """What the other is told: it must have nothing but relayed candidates."""
    candidates = [
        line for line in description.sdp.splitlines() if line.startswith("a=candidate:")
    ]
    assert candidates, description.sdp
    assert all(" typ relay " in line for line in candidates), candidates
    return RTCSessionDescription(description.sdp, description.type)


async def main(_host, _port, url, trusted):
    if trusted:
        # What the default context of Python looks at.
        os.environ["SSL_CERT_FILE"] = trusted
    caller, callee = peer(url), peer(url)
    channel = caller.createDataChannel("echo")
    echoes, is_open = asyncio.Queue(), asyncio.Event()
    channel.on("open", is_open.set)
    channel.on("message", echoes.put_nowait)

    @callee.on("datachannel")
    def on_datachannel(other):
        other.on("message", other.send)

    await caller.setLocalDescription(await caller.createOffer())
    await callee.setRemoteDescription(relayed(caller.localDescription))
    await callee.setLocalDescription(await callee.createAnswer())
    await caller.setRemoteDescription(relayed(callee.localDescription))
    await is_open.wait()
    for number in range(COUNT):
        data = bytes([number]) * (1 + 1000 * number)
        channel.send(data)
        assert await echoes.get() == data
    await caller.close()
    await callee.close()
    print(f"{COUNT} came back")


asyncio.run(asyncio.wait_for(main(*sys.argv[1:]), 50))
