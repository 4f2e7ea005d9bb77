"""
The machine on which ./baton bench ipc counts: the appliance bench-ipc under QEMU's icount, what it is ordered, what it answers,
and whether its counters add up.
"""
import re

from tools.bench_ipc_cases import STAGES, cpus_of
from tools.common import Failure, answer
from tools.machine import Machine, command_line

RUNS = 8          # until two in a row are alike
STEADY = 0.02     # by which two runs of the same may differ: a tick of the timer
ANSWER_LIMIT = 60  # seconds
INLINE_MAX = 128
PAGE = 4096
ICOUNT = ["-icount", "shift=0,sleep=off"]
CPU = "cortex-a72,cntfrq=1000000000"  # a tick of the counter is an instruction
TLB = {"tlbi_local": "local", "tlbi_broadcast": "broadcast", "tlbi_reissued": "reissued", "tlbi_queued": "queued",
       "tlbi_skipped": "skipped", "tlbi_ipi": "ipi", "barriers": "barriers"}
# Of these a tick of the timer may add a few
LOOSE = ("maps", "scrubs", "tlbi", "barriers")


class Refused(Exception):
    """A run of which no figure may be shown."""


class Unavailable(Exception):
    """What this kernel cannot do (yet)."""


def machine_describe():
    """What counts here, and which of the counters are those of a real machine."""
    version = (answer("qemu-system-aarch64", "--version") or "").split("\n")[0]
    software = "counted by the kernel's own code, wherever it runs"
    return {
        "machine": f"{version}, TCG, virt, {CPU}, {' '.join(ICOUNT)}",
        "counters": {
            "instructions": [True, "the emulator executes one for each tick of the clock that the guest reads; all CPUs, exact"],
            "cycles": [False, "an emulator has none: PMCCNTR_EL0 follows its clock, so it counts one for each instruction, of all "
                              "CPUs; on a board it counts cycles of the sender's CPU"],
            "time": [False, "the clock is made of instructions; wall time says more of the host than of the guest"],
            "maps, invalidations, barriers, scrubs": [True, software + "; what one costs does not show here"],
            "bytes copied": [True, software],
            "bytes of memory traffic": [False, "computed: bytes copied, read and written each; 4096 for a scrubbed page, which is "
                                               "the most it can be; bytes read by receivers. No caches here, so no misses"],
        },
    }


class Guest:
    """bench-ipc, booted, and ready for orders."""

    def __init__(self, image, options, boot):
        settings = [f"unmap={boot.policy}", "cycles=on"] + ["wide=yes"] * boot.wide
        settings += [f"spoil={options.spoil}"] * bool(options.spoil)
        words = command_line(image, cpus_of(options), options.memory, boot.placement, settings=settings, cpu=CPU)
        self.machine = Machine(words + ICOUNT)
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

    def prepare(self, kind, size, read, services, cpus, count):
        answered = self.order(f"prepare {kind} {size} {read} {services} {cpus} {count}")
        if re.match(r"FAILED: make the messages: error -(1|11)$", answered):
            raise Unavailable(f"messages of {size} bytes")
        if not answered.startswith("prepared "):
            raise Refused(answered)

    def run(self, laps):
        """Messages, instructions and cycles, and the statistics afterwards."""
        answered = self.order(f"run {laps:05}")  # as long for every number: the order itself is inline data
        found = re.fullmatch(r"ran (\d+) messages in (\d+) ns, (\d+) cycles", answered)
        if not found:
            raise Refused(answered)
        return int(found[1]), int(found[2]), int(found[3]), figures(self.machine.stats())

    def check(self, count):
        answered = self.order("check")
        found = re.fullmatch(r"checked (\d+) messages: sent (\d+), seen (\d+), (.*)", answered)
        if not found or int(found[1]) != count or found[2] != found[3] or \
                found[4] != "lost 0, doubled 0, wrong 0, damaged 0":
            raise Refused(answered)


def figures(stats):
    """What is compared, flat."""
    pages, copied = stats["pages"], stats["copied"]
    if pages["free"] + pages["owned"] + pages["in_flight"] != pages["total"]:
        raise Refused(f"pages are missing: {pages}")
    flat = {"moved": pages["moved"], "maps": pages["mapped"], "scrubs": pages["scrubbed"],
            "payload": copied["payload_bytes"], "inline": copied["inline_bytes"],
            **{name: stats["tlb"][member] for name, member in TLB.items()}}
    flat["tlbi_broadcast"] += flat["tlbi_reissued"]  # as each of them goes to all CPUs
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
    """
    Why two runs of the same are not alike; None when they are. With unmap=copy a pool gives its pages in no fixed order, mapped ones
    and others: what that changes for one page in a hundred that change hands is no difference.
    """
    (instructions, counts), (instructions_last, counts_last) = run, last
    for name, value in counts.items():
        slack = max(2, STEADY * value, 0.01 * counts["moved"] / 2) if name.startswith(LOOSE) else 0
        if abs(value - counts_last[name]) > slack:
            return f"{name} {counts_last[name]} in one run and {value} in the next"
    if abs(instructions - instructions_last) > STEADY * instructions:
        return f"{instructions_last} instructions in one run and {instructions} in the next"
    return None


def sample(messages, instructions, cycles, counts):
    """A run as it is kept in the file: all that was counted and is not 0."""
    return {"messages": messages, "instructions": instructions, "cycles": cycles,
            **{name: value for name, value in counts.items() if value and " " not in name}}


def per_message(guest, laps):
    """
    An empty run, and full ones until one is like that before it: pools of pages fill first. Returns messages, instructions,
    cycles and counts of the last run, and the samples of all.
    """
    before = figures(guest.machine.stats())
    _, empty, empty_cycles, after = guest.run(0)
    idle = {name: after[name] - before[name] for name in after}
    last, samples = None, []
    for _ in range(RUNS):
        before = after
        messages, instructions, cycles, after = guest.run(laps)
        instructions, cycles = instructions - empty, cycles - empty_cycles
        run = (instructions, difference(after, before, idle))
        samples.append(sample(messages, instructions, cycles, run[1]))
        why = unsteady(run, last) if last else ""
        if why is None:
            return messages, instructions, cycles, run[1], samples
        last = run
    raise Refused(f"not steady: {why}")


def check_counts(kind, size, policy, services, messages, counts):
    """The counters must tell what was sent, and nothing else: messages are hops, or calls there and back."""
    hops = messages * (2 if kind == "rpc" else 1)
    trips = hops // 2 if kind == "rpc" else messages // (services + 1)
    pages = hops * (-(-size // PAGE) if size > INLINE_MAX else 0)
    expected = {f"sender {way}": trips for way in ("messages_in", "messages_out")}
    for stage in range(1, STAGES + 1):
        for way in ("messages_in", "messages_out"):
            expected[f"stage{stage} {way}"] = trips if stage <= services else 0
    inline = hops * size if size <= INLINE_MAX else 0
    if counts["inline"] not in (inline, 2 * inline):  # copied once when it goes from service to service directly
        raise Refused(f"inline: {counts['inline']} counted, {inline} or twice that expected")
    expected["payload"] = hops * size if policy == "copy" and size > INLINE_MAX else 0
    for name, value in expected.items():
        if counts[name] != value:
            raise Refused(f"{name}: {counts[name]} counted, {value} expected")
    # A message of many pages may bring a page more that lists them; a copy is a page of its own
    if not 2 * pages <= counts["moved"] <= (2.1 if policy != "copy" else 4.2) * pages:
        raise Refused(f"pages moved: {counts['moved']} counted, {2 * pages} expected")
