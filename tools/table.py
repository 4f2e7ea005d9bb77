"""The live table: drawn again in place on a terminal; elsewhere one line every few seconds."""
import shutil
import sys
import time


def size_text(count):
    """A count of bytes, short."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 10240 or unit == "GiB":
            return f"{count:,} {unit}" if unit == "B" else f"{count:,.0f} {unit}"
        count /= 1024
    return ""


def rows(heads, body, left):
    """Lines of a table; the first `left` columns are words, the rest numbers."""
    cells = [heads, *[[str(cell) for cell in row] for row in body]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads))]
    return ["  ".join(cell.ljust(width) if i < left else cell.rjust(width)
                      for i, (cell, width) in enumerate(zip(row, widths))).rstrip() for row in cells]


def describe(stats, before=None):
    """Statistics as lines of text; with earlier ones, rates too."""
    seconds = stats["uptime_s"] - before["uptime_s"] if before else 0

    def rate(now, then):
        return f"{(now - then) / seconds:,.0f}" if seconds > 0 else ""

    earlier = {service["name"]: service for service in before["services"]} if before else {}
    services = []
    for service in stats["services"]:
        then = earlier.get(service["name"], service)
        services.append([service["name"], service["placement"], service["state"], service["cpu"],
                         f"{service['messages_in']:,}", f"{service['messages_out']:,}",
                         *([rate(service["messages_in"], then["messages_in"])] if before else [])])
    nics = [[nic["name"], f"{nic['rx_frames']:,}", size_text(nic["rx_bytes"]), f"{nic['tx_frames']:,}",
             size_text(nic["tx_bytes"]), f"{sum(nic['dropped'].values()):,}"] for nic in stats["net"]]
    reasons = [f"{nic['name']} {reason} {count:,}" for nic in stats["net"] for reason, count in nic["dropped"].items()
               if count]
    pages, copied, tlb, faults = stats["pages"], stats["copied"], stats["tlb"], stats["faults"]
    heads = ["service", "placement", "state", "cpu", "messages in", "messages out", *(["in/s"] if before else [])]
    return [
        *rows(heads, services, 3), "",
        *rows(["NIC", "frames in", "bytes in", "frames out", "bytes out", "dropped"], nics, 1),
        *(["dropped: " + ", ".join(reasons)] if reasons else []), "",
        f"pages moved {pages['moved']:,}, never mapped on their way {pages['never_mapped']:,}, mapped {pages['mapped']:,}",
        f"      free {pages['free']:,} + owned {pages['owned']:,} + in flight {pages['in_flight']:,} of {pages['total']:,}",
        f"bytes copied: payload {copied['payload_bytes']:,}, in messages {copied['inline_bytes']:,}",
        f"TLB invalidations: local {tlb['local']:,}, broadcast {tlb['broadcast']:,}, not needed {tlb['skipped']:,}",
        f"faults: pages mapped on first touch {faults['lazy_maps']:,}, violations {faults['violations']:,}",
    ]


def brief(stats):
    nics = ", ".join(f"{nic['name']} in {nic['rx_frames']:,} out {nic['tx_frames']:,}" for nic in stats["net"])
    return (f"frames: {nics}; messages {sum(s['messages_in'] for s in stats['services']):,}; pages moved "
            f"{stats['pages']['moved']:,}; payload bytes copied {stats['copied']['payload_bytes']:,}; TLB invalidations "
            f"{stats['tlb']['local'] + stats['tlb']['broadcast']:,}")


class Table:
    def __init__(self, title, machine):
        self.title, self.machine = title, machine
        self.live = sys.stdout.isatty()
        self.step, self.height, self.due = "", 0, 0.0
        self.begin = time.monotonic()
        self.stats = self.before = None

    def tick(self, now=False):
        """Asks the guest and draws, when it is time to."""
        if not now and time.monotonic() < self.due:
            return
        self.due = time.monotonic() + (1 if self.live else 3)
        self.before, self.stats = self.stats, self.machine.stats()
        seconds = time.monotonic() - self.begin
        if not self.live:
            print(f"{seconds:6.1f} s  {self.step}: {brief(self.stats)}", flush=True)
            return
        head = f"{self.title}, {seconds:.0f} s: {self.step}"
        self.draw([head, "", *describe(self.stats, self.before)])

    def draw(self, lines):
        width, height = shutil.get_terminal_size()
        lines = [line[:width - 1] for line in lines[:height - 1]]
        up = f"\033[{self.height}A" if self.height else ""
        sys.stdout.write(up + "".join(f"\033[2K{line}\n" for line in lines) + "\033[J")
        sys.stdout.flush()
        self.height = len(lines)

    def note(self, line):
        """A line that stays: above the table on a terminal."""
        if self.live and self.height:
            sys.stdout.write(f"\033[{self.height}A\033[J")
            self.height = 0
        print(line, flush=True)
        if self.live and self.stats:
            self.draw([f"{self.title}: {self.step}", "", *describe(self.stats, self.before)])

    def clear(self):
        if self.live and self.height:
            sys.stdout.write(f"\033[{self.height}A\033[J")
            sys.stdout.flush()
        self.height = 0
