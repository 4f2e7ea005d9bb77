"""
Which station of a frame's way (DESIGN.md, section 3) a function's instructions belong to: one table, by function or else by file.

What is inlined counts with the function that it is inlined into. Ports are one row: the same functions serve 3 and 7, and 4 and 6
call them. What is in no row goes to OTHERS, which test/qemu/test_stations.py keeps small.
"""
import bisect
import collections
import re
import subprocess

OTHERS = "others"
# In this order. A rule is a function's name, or a file; the first that matches the whole of one of them wins.
STATIONS = [
    ("1, 2 NIC in, message", [
        "virtio_net_(receive|hand_over|slots.*)", "buffers_.*", "slots_.*", "frames_.*", "page_(get|filled|device|posted).*",
        "drivers/virtio_net_receive.c",
        "drivers/spread.c"]),
    ("3, 7 ports", ["ipc/port.c"]),
    ("4 receive", ["plain_receive", "plain_writable", "lend_receive", "lend_end", "message_free", "receive.*", "syscall_receive.*",
                   "take_queued", "transfer_out", "transfer_place", "batch_fill", "direct_receive", "direct_out"]),
    ("5 decide", ["apps/(switch|router|net)/.*"]),
    ("6 send", ["plain_.*", "lend_.*", "lent_.*", "message_alloc", "send.*", "syscall_send.*", "batch_.*", "transfer_in", "direct_.*",
                "outbox.*"]),
    ("8, 9 descriptors, NIC out", ["messages_send", "descriptors.*", "pieces_describe", "virtio_net_transmit.*", "virtqueue_(publish|kick)", "kick",
                                   "[a-z]*_notify"]),
    ("10 back", ["used_reclaim", "page_sent.*", "drivers/virtio_net_transmit.c", "drivers/virtqueue.c", "ipc/page_device.c"]),
    ("pools", ["core/(pool|stock).c", "bundle_.*"]),
    ("traps, scheduling", ["boot/vectors.S", "ipc/(sched|thread|switch|syscall|syscall_batch|syscall_message|transfer|user|fp|share).[cS]",
                           "mm/space.c", "drivers/virtio_net(_slots)?.c", "apps/lib/.*"]),
    ("interrupts, timer, idle", ["core/(irq|timer).c", "drivers/(gic.*|virtio_pci.*|virtio_mmio|pci.*|msi)[.]c", "ipc/(idle|life|page_limbo).c",
                                 "mm/unmap.*[.]c"]),
]
NAMES = [name for name, _ in STATIONS] + [OTHERS]


def station_of(function, file):
    for name, rules in STATIONS:
        if any(re.fullmatch(rule, text) for rule in rules for text in (function, file)):
            return name
    return OTHERS


class Image:
    """The functions of an appliance's image and of its services, by address."""

    def __init__(self, tree, appliance, root):
        found = []
        for elf in [tree / f"{appliance}.elf", *sorted((tree / "services").glob(f"{appliance}-*.elf"))]:
            for line in self.tool("nm", elf).splitlines():
                words = line.split()
                if len(words) == 3 and words[1] in "tTwW" and not words[2].startswith("$"):
                    found.append((int(words[0], 16), words[2].split(".")[0], elf))
        self.functions, self.root = sorted(found, key=lambda row: row[0]), root
        self.addresses = [address for address, _, _ in self.functions]

    def address(self, function):
        return next(address for address, name, _ in self.functions if name == function)

    @staticmethod
    def tool(name, *words, text=""):
        return subprocess.run([f"aarch64-linux-gnu-{name}", *map(str, words)], input=text, check=True, stdout=subprocess.PIPE,
                              text=True).stdout

    def sums(self, counts):
        """{(function, file): instructions} of counts by address."""
        places = collections.Counter()
        for address, count in counts.items():
            places[bisect.bisect_right(self.addresses, address) - 1] += count
        files = self.files([place for place, count in places.items() if count and place >= 0])
        found = collections.Counter()
        for place, count in places.items():
            if count:
                name = self.functions[place][1] if place >= 0 else "?"
                found[name, files.get(place, "?")] += count
        return found

    def files(self, places):
        """The source file of each function, as a path in the tree."""
        found = {}
        for elf in {self.functions[place][2] for place in places}:
            own = [place for place in places if self.functions[place][2] == elf]
            text = "".join(f"{self.addresses[place]:x}\n" for place in own)
            for place, line in zip(own, self.tool("addr2line", "-e", elf, text=text).splitlines()):
                found[place] = line.rsplit(":", 1)[0].removeprefix(f"{self.root}/")
        return found
