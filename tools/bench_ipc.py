"""
./baton bench ipc: what a message costs, counted in instructions by QEMU's -icount (docs/bench.md tells how, and what that can
and cannot tell). The guest's side is apps/bench-ipc; the counters are differences of `stats json`.
"""
import re
import time

from tools import bench_report, build
from tools.common import Failure, say
from tools.machine import Machine, command_line
from tools.progress import Progress

NAME = "ipc"
TEXT = "instructions and invalidations of a message"
APPLIANCE = "bench-ipc"
KINDS = ["oneway", "rpc"]
SIZES = [64, 4096, 65536, 1 << 20, 4 << 20]
TOUCHES = ["none", "header", "all"]
POLICIES = ["copy", "synchronous", "dash", "path"]
PLACEMENTS = ["isolated", "trusted"]
PEERS = {"same": "near", "cross": "far"}
# Messages in a burst, and bursts in a run; about as much as a pipe holds, so that a switch is shared by as many
BURSTS = {64: (16, 20), 4096: (16, 20), 65536: (8, 12), 1 << 20: (2, 10), 4 << 20: (1, 6)}
# Shown with the limits: 1 MiB from alloc to free, untouched; one page in one call of its own
EXTRAS = [("cycle", 1 << 20, "none"), *(("single", 4096, touch) for touch in TOUCHES)]
CPUS = 2
RUNS = 6          # until two in a row are alike
STEADY = 0.02     # by which two runs of the same may differ: a tick of the timer
ANSWER_LIMIT = 20  # seconds
INLINE_MAX = 128
PAGE = 4096


class Refused(Exception):
    """A run of which no figure may be shown."""


class Unavailable(Exception):
    """What this kernel cannot do (yet)."""


class Guest:
    """bench-ipc, booted, and ready for orders."""

    def __init__(self, image, options, placement, policy):
        settings = [f"unmap={policy}"] + [f"spoil={options.spoil}"] * bool(options.spoil)
        words = command_line(image, cpus_of(options), options.memory, placement, settings=settings,
                             cpu="cortex-a72,cntfrq=1000000000")  # a tick of the counter is an instruction
        self.machine = Machine(words + ["-icount", "shift=0,sleep=off"])
        try:
            self.machine.wait_ready()
            self.policy = self.machine.stats()["policy"]["unmap"]
        except BaseException:
            self.machine.kill()
            raise

    def order(self, text):
        since = len(self.machine.lines)
        self.machine.send(f"tell sender {text}")
        try:
            return self.machine.expect("sender: ", ANSWER_LIMIT, since)[len("sender: "):]
        except Failure as failure:
            if not self.machine.alive():
                raise
            raise Refused(f"`{text}` was not answered within {ANSWER_LIMIT} s: a message got lost") from failure

    def prepare(self, kind, size, touch, peer, count):
        answer = self.order(f"prepare {kind} {size} {touch} {peer} {count}")
        if re.match(r"FAILED: make the messages: error -(1|11)$", answer):
            raise Unavailable(f"messages of {size} bytes")
        if not answer.startswith("prepared "):
            raise Refused(answer)

    def run(self, laps):
        """Messages, instructions, and the statistics afterwards."""
        answer = self.order(f"run {laps:05}")  # as long for every number: the order itself is inline data
        found = re.fullmatch(r"ran (\d+) messages in (\d+) ns", answer)
        if not found:
            raise Refused(answer)
        return int(found[1]), int(found[2]), figures(self.machine.stats())

    def check(self, count):
        answer = self.order("check")
        found = re.fullmatch(r"checked (\d+) messages: sent (\d+), seen (\d+), (.*)", answer)
        if not found or int(found[1]) != count or found[2] != found[3] or \
                found[4] != "lost 0, doubled 0, wrong 0, damaged 0":
            raise Refused(answer)


def figures(stats):
    """What is compared, flat."""
    pages, tlb, copied = stats["pages"], stats["tlb"], stats["copied"]
    if pages["free"] + pages["owned"] + pages["in_flight"] != pages["total"]:
        raise Refused(f"pages are missing: {pages}")
    flat = {"moved": pages["moved"], "maps": pages["mapped"], "scrubs": pages["scrubbed"], "tlbi_local": tlb["local"],
            "tlbi_broadcast": tlb["broadcast"] + tlb["reissued"], "barriers": tlb["barriers"],
            "payload": copied["payload_bytes"], "inline": copied["inline_bytes"]}
    for service in stats["services"]:
        if service["state"] != "running":
            raise Refused(f"service {service['name']} is {service['state']}")
        for way in ("messages_in", "messages_out"):
            flat[f"{service['name']} {way}"] = service[way]
    return flat


def difference(after, before, idle):
    """What a run did, without what the order itself and the look at the counters did."""
    return {name: after[name] - before[name] - idle[name] for name in after}


def unsteady(run, last):
    """Why two runs of the same are not alike; None when they are."""
    (instructions, counts), (instructions_last, counts_last) = run, last
    for name, value in counts.items():
        exact = not name.startswith(("maps", "scrubs", "tlbi", "barriers"))
        if abs(value - counts_last[name]) > (0 if exact else max(2, STEADY * value)):
            return f"{name} {counts_last[name]} in one run and {value} in the next"
    if abs(instructions - instructions_last) > STEADY * instructions:
        return f"{instructions_last} instructions in one run and {instructions} in the next"
    return None


def per_message(guest, laps):
    """
    An empty run, and full ones until one is like that before it: pools of pages fill first. Returns messages, instructions
    and counts of a run.
    """
    before = figures(guest.machine.stats())
    _, empty, after = guest.run(0)
    idle = {name: after[name] - before[name] for name in after}
    last = None
    for _ in range(RUNS):
        before = after
        messages, instructions, after = guest.run(laps)
        run = (instructions - empty, difference(after, before, idle))
        why = unsteady(run, last) if last else ""
        if why is None:
            return messages, *run
        last = run
    raise Refused(f"not steady: {why}")


def check_counts(kind, size, policy, peer, messages, counts):
    """The counters must tell what was sent, and nothing else."""
    hops = messages * (2 if kind == "rpc" else 1)
    pages = hops * (-(-size // PAGE) if size > INLINE_MAX else 0)
    expected = {f"{service} {way}": hops // 2 for service in ("sender", peer) for way in ("messages_in", "messages_out")}
    inline = hops * size if size <= INLINE_MAX else 0
    if counts["inline"] not in (inline, 2 * inline):  # copied once when it goes from service to service directly
        raise Refused(f"inline: {counts['inline']} counted, {inline} or twice that expected")
    expected["payload"] = pages * PAGE if policy == "copy" else 0
    for name, value in expected.items():
        if counts[name] != value:
            raise Refused(f"{name}: {counts[name]} counted, {value} expected")
    # A message of many pages may bring a page more that lists them; a copy is a page of its own
    if not 2 * pages <= counts["moved"] <= (2.1 if policy != "copy" else 4.2) * pages:
        raise Refused(f"pages moved: {counts['moved']} counted, {2 * pages} expected")


def measure_case(guest, kind, size, touch, cpus, placement):
    """One row."""
    peer = PEERS[cpus]
    count, laps = BURSTS[size]
    guest.prepare(kind, size, touch, peer, count)
    messages, instructions, counts = per_message(guest, laps)
    guest.check(count)
    check_counts(kind, size, guest.policy, peer, messages, counts)

    def each(value):
        return round(value / messages, 3)

    row = {"kind": kind, "bytes": size, "placement": placement, "cpus": cpus, "policy": guest.policy, "touch": touch,
           "instructions": each(instructions)}
    for name in ("maps", "tlbi_local", "tlbi_broadcast", "barriers", "scrubs"):
        row[name] = each(counts[name])
    return {**row, "bytes_copied": each(counts["payload"] + counts["inline"])}


def measure_extra(guest, kind, size, touch, placement):
    """What is shown with the limits, and is no row."""
    count, laps = BURSTS[size]
    guest.prepare(kind, size, touch, "near", count)
    messages, instructions, counts = per_message(guest, laps)
    guest.check(count)
    return {"kind": kind, "touch": touch, "policy": guest.policy, "placement": placement,
            "instructions": round(instructions / messages), "scrubs": round(counts["scrubs"] / messages, 2)}


def cpus_of(options):
    return max(options.cpus or [CPUS])


def cases(options):
    for kind in options.kind or KINDS:
        for size in options.bytes or SIZES:
            for touch in options.touch or TOUCHES:
                if size == CONTENT_BLOCK and touch == "header" and not options.touch:
                    continue  # its header is all of it
                for cpus in ["same", "cross"][:cpus_of(options)]:
                    yield kind, size, touch, cpus


CONTENT_BLOCK = 64  # apps/bench-ipc/content.h: the least that is measured


class Measurement:
    """All boots of one call; what they found."""

    def __init__(self, options, image):
        self.options, self.image = options, image
        self.rows, self.extras, self.refused, self.missing = [], [], [], []
        self.cases = list(cases(options))
        self.boots = [(placement, policy) for placement in ([options.placement] if options.placement else PLACEMENTS)
                      for policy in options.policy or POLICIES]
        self.progress = Progress(len(self.boots) * len(self.cases))

    def boot(self, placement, policy):
        guest = Guest(self.image, self.options, placement, policy)
        try:
            if guest.policy != policy:
                self.absent(f"policy {policy}")
                self.progress.done += len(self.cases)
                return
            for case in self.cases:
                self.progress.step(f"{policy}, {placement}, {' '.join(map(str, case))}")
                if not self.attempt(guest, placement, case):
                    guest.machine.kill()
                    guest = Guest(self.image, self.options, placement, policy)
            if guest.machine.alive() and not self.options.kind and not self.options.bytes:
                for extra in EXTRAS:
                    self.extra(guest, extra, placement)
        finally:
            guest.machine.kill()

    def attempt(self, guest, placement, case):
        """False when the guest is not to be trusted any more."""
        try:
            self.rows.append(measure_case(guest, *case, placement))
        except Unavailable as what:
            self.absent(str(what))
        except Refused as why:
            self.refused.append(f"{' '.join(map(str, case))}, {placement}, {guest.policy}: {why}")
            return False
        return True

    def extra(self, guest, extra, placement):
        try:
            self.extras.append(measure_extra(guest, *extra, placement))
        except Unavailable as what:
            self.absent(str(what))
        except Refused as why:
            self.refused.append(f"{' '.join(map(str, extra))}, {placement}, {guest.policy}: {why}")

    def absent(self, what):
        if what not in self.missing:
            self.missing.append(what)


def measure(options, preset):
    begin = time.monotonic()
    work = Measurement(options, build.image(APPLIANCE, preset))
    for placement, policy in work.boots:
        if not work.progress.live:
            say(f"unmap={policy}, {placement} services")
        work.boot(placement, policy)
    work.progress.clear()
    bench_report.show(work.rows, work.extras)
    for what in work.missing:
        say(f"not measured: {what}: this kernel has no such thing")
    for why in work.refused:
        say(f"no figure: {why}")
    say(f"{len(work.rows)} rows in {time.monotonic() - begin:.0f} s")
    return bool(work.refused), {"rows": work.rows}
