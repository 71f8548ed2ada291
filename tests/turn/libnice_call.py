"""Two agents of libnice that use the relay alone, and what they say to each other through it: HOST PORT TRANSPORT."""

import ctypes
import sys

import gi

gi.require_version("Nice", "0.1")
from gi.repository import GLib, Nice  # noqa: E402

STREAM = COMPONENT = 1
COUNT = 200

# What hands data over is not in the bindings, and without it nothing is received.
LIBNICE = ctypes.CDLL("libnice.so.10")
RECEIVE = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p
)


class Side:
    def __init__(self, host, port, transport, is_controlling):
        self.agent = Nice.Agent.new(GLib.MainContext.default(), Nice.Compatibility.RFC5245)
        self.pointer = ctypes.c_void_p(hash(self.agent))
        self.agent.set_property("controlling-mode", is_controlling)
        self.agent.set_property("force-relay", True)
        self.agent.set_property("upnp", False)
        loopback = Nice.Address.new()
        assert loopback.set_from_string("127.0.0.1")
        self.agent.add_local_address(loopback)
        assert self.agent.add_stream(1) == STREAM
        self.agent.set_stream_name(STREAM, "application")
        assert self.agent.set_relay_info(STREAM, COMPONENT, host, port, "u", "p", transport)
        self.is_gathered, self.state, self.heard = False, None, []
        self.agent.connect("candidate-gathering-done", self.on_gathered)
        self.agent.connect("component-state-changed", self.on_state)
        self.receive = RECEIVE(self.on_receive)
        assert LIBNICE.nice_agent_attach_recv(self.pointer, STREAM, COMPONENT, None, self.receive, None)
        assert self.agent.gather_candidates(STREAM)

    def on_gathered(self, agent, stream):
        self.is_gathered = True

    def on_state(self, agent, stream, component, state):
        self.state = Nice.ComponentState(state)

    def on_receive(self, agent, stream, component, length, data, user_data):
        self.heard.append(ctypes.string_at(data, length))

    def say(self, data):
        return LIBNICE.nice_agent_send(self.pointer, STREAM, COMPONENT, len(data), data)


def until(what):
    while not what():
        GLib.MainContext.default().iteration(True)


def main(host, port, transport):
    GLib.timeout_add_seconds(60, lambda: sys.exit("60 seconds are over"))
    transport = {"udp": Nice.RelayType.UDP, "tcp": Nice.RelayType.TCP}[transport]
    sides = [Side(host, int(port), transport, is_controlling) for is_controlling in (True, False)]
    until(lambda: all(side.is_gathered for side in sides))
    first, second = (side.agent.generate_local_sdp() for side in sides)
    for description in (first, second):
        assert "typ relay" in description and "typ host" not in description, description
    assert sides[0].agent.parse_remote_sdp(second) > 0
    assert sides[1].agent.parse_remote_sdp(first) > 0
    until(lambda: all(side.state == Nice.ComponentState.READY for side in sides))
    for number in range(COUNT):
        data = bytes([number]) * (1 + 6 * number)
        for one, other in (sides, sides[::-1]):
            # A stream may be full for a moment.
            until(lambda: one.say(data) == len(data))
            until(lambda: other.heard)
            assert other.heard.pop(0) == data
    print(f"{COUNT} came through each way")


main(*sys.argv[1:])
