"""
A device that answers nonsense: it is stopped with a message that names it, it corrupts nothing, and the rest goes on.

The device is QEMU's own, so the nonsense is written over its used ring in the guest's memory: the addresses come from
QEMU (not from the driver under test), the memory is a file shared with QEMU. Traffic that makes the driver look at its
ring comes from the other side, because the device itself would put its index right at the next frame.
"""
import struct

import pytest

from harness import RAM_BASE
from naming import named
from traffic import assert_all_arrived, by_name, generate, through

QUEUES = {"receive": 0, "transmit": 1}
LIES = {
    "index": lambda ring: ring.claim(3000),
    "id": lambda ring: ring.claim(1, identity=0x9999, length=72),
    "id-twice": lambda ring: ring.claim(2, identity=ring.posted(), length=72),
    "length-too-long": lambda ring: ring.claim(1, identity=ring.posted(), length=60000),
    "length-too-short": lambda ring: ring.claim(1, identity=ring.posted(), length=3),
}


class UsedRing:
    def __init__(self, machine, nic, queue):
        self.memory = machine.memory_map()
        state = machine.queue(nic, queue)
        self.size, self.index, self.next = state["vring-num"], state["used-idx"], state["last-avail-idx"]
        self.used, self.avail = state["vring-used"] - RAM_BASE, state["vring-avail"] - RAM_BASE

    def posted(self):
        """A buffer that the device really has, if any."""
        return struct.unpack_from("<H", self.memory, self.avail + 4 + 2 * (self.next % self.size))[0]

    def claim(self, count, identity=0, length=0):
        """Says that `count` more buffers are done, all of them this one."""
        for i in range(min(count, self.size)):
            at = self.used + 4 + 8 * ((self.index + i) % self.size)
            struct.pack_into("<II", self.memory, at, identity, length)
        struct.pack_into("<H", self.memory, self.used + 2, (self.index + count) & 0xffff)


@named("ring-{queue}-bad-{lie}")
@pytest.mark.parametrize("queue,lie", [("receive", lie) for lie in LIES] + [("transmit", "index"),
                                                                            ("transmit", "id")])
def test_ring(boot, switch, queue, lie):
    machine = boot(switch, cpus=2, nics=3, shared_memory=True).wait_ready()
    assert_all_arrived(through(machine, frames=500, flow=["0:1", "1:0", "1:2", "2:1"], window=64))
    machine.quiet_stats()
    start = machine.mark()
    LIES[lie](UsedRing(machine, 0, QUEUES[queue]))
    sender, other = machine.port(1), machine.port(2)
    for _ in range(3):
        sender.send(bytes([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5]) + bytes(46))
    machine.wait_for(r"(?i)net0\b.*\bstopped", since=start)
    for _ in range(300):
        sender.send(bytes([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5]) + bytes(46))
    for port in (sender, other):
        port.drain()  # a "frame" that a lie made of an old buffer may have been flooded: that cannot be told from a true one
        port.close()
    result = generate([nic.path for nic in machine.nics[1:]], frames=5000, size="60,1514")
    # The generator's second station was known at port 1 before: it is learned anew, as any station that moves.
    assert_all_arrived(result)
    stats = machine.quiet_stats()
    pages = stats["pages"]
    assert pages["free"] + pages["owned"] + pages["in_flight"] == pages["total"]
    assert by_name(stats["services"])["net0"]["state"] != "running"
    machine.halt()
