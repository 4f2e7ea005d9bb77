"""
What Baton is measured against: the same machine, the same NICs, another guest.

    for one in peer.of("linux"):
        one.prepare()                       # made of Debian's packages, once; raises Absent, with the reason
        machine = Machine(one.command_line(nics, cpus=1), nics)
        one.wait_ready(machine)             # now frames pass, and the guest sends none of its own
        one.stats(machine)                  # what it has counted, or None where it does not tell

The generator plays the stations that are in guest/linux.sh; `routed` is what it must be told.
"""
import re

from tools import peer_guest, peer_recipes
from tools.common import Failure

MEMORY = 512        # MiB, as Baton's
BOOT_LIMIT = 300    # seconds; under an instruction counter the kernel takes half a minute or more
HUGE_PAGES = 32     # of 2 MiB
# Loglevel 4: warnings and worse. A panic ends QEMU (-no-reboot), after its report.
BOOT = "console=ttyAMA0 loglevel=4 panic=-1 ipv6.disable=1"
READY, FAILED = "peer ready", "peer failed: "


class Absent(Failure):
    """A peer cannot be had on this machine; the message is the reason, in one sentence."""

    def __init__(self, title, reason):
        super().__init__(f"{title} is absent: {reason}")
        self.reason = reason


class Peer:
    """
    name, title: for files and for people; routed: None, or 4 when it is a router of IPv4; polls: it never waits for an
    interrupt, so its instructions per frame are those of a run in which each poll finds a full burst.
    """

    def __init__(self, name, title, recipe, settings, ready=READY, routed=None, polls=False, nic=""):
        self.name, self.title, self.recipe, self.settings = name, title, recipe, settings
        self.ready, self.routed, self.polls, self.nic = ready, routed, polls, nic
        self.files = None

    def prepare(self):
        try:
            self.files = peer_guest.ensure(self.recipe)
        except Failure as failure:
            raise Absent(self.title, failure) from None

    def command_line(self, nics, cpus=1):
        words = ["qemu-system-aarch64", "-machine", "virt,gic-version=3", "-cpu", "cortex-a72", "-smp", str(cpus),
                 "-m", str(MEMORY), "-nodefaults", "-display", "none", "-no-reboot", "-kernel", str(self.files.kernel),
                 "-initrd", str(self.files.initramfs), "-append", f"{BOOT} {self.settings}"]
        for number, nic in enumerate(nics):
            *most, device = nic.words(number)
            words += [*most, device + self.nic]
        return words

    def wait_ready(self, machine):
        machine.expect(self.ready, BOOT_LIMIT, failed=FAILED)

    def stats(self, machine):
        """The interfaces' counters, as far as the guest tells them."""
        if self.polls:
            return None
        since = len(machine.lines)
        machine.send("stats")
        counts = [int(word) for word in re.findall(r"\d+", machine.expect("frames ", 20, since))]
        return {"net": [{"name": f"net{n}", "rx_frames": counts[2 * n], "tx_frames": counts[2 * n + 1]} for n in (0, 1)]}


PEERS = {
    "linux": [
        Peer("linux-bridge", "Linux bridge", peer_recipes.LINUX, "peer=bridge"),
        Peer("linux-bridge-mrg-off", "Linux bridge, mrg_rxbuf=off", peer_recipes.LINUX, "peer=bridge", nic=",mrg_rxbuf=off"),
        Peer("linux-router", "Linux router", peer_recipes.LINUX, "peer=router", routed=4),
    ],
    "dpdk": [
        Peer("dpdk-io", "DPDK testpmd io", peer_recipes.DPDK, f"mode=io pages={HUGE_PAGES}", ready="Press enter to exit", polls=True),
    ],
}


def of(kind):
    """The peers of a kind, "linux" or "dpdk"; none of them prepared."""
    return list(PEERS[kind])
