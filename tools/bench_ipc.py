"""
./baton bench ipc: what a message costs, counted in instructions by QEMU's -icount (docs/bench.md tells how, and what that can
and cannot tell). The guest's side is apps/bench-ipc; the counters are differences of `stats json`.
"""
import time

from tools import bench_crossover, bench_report, build
from tools.bench_ipc_cases import BURSTS, PARTS, STAGES, TOUCHES, cpus_of, parts_of, plan
from tools.bench_ipc_guest import INLINE_MAX, PAGE, TLB, Guest, Refused, Unavailable, check_counts, machine_describe, per_message
from tools.common import say
from tools.progress import Progress

NAME = "ipc"
TEXT = "instructions and invalidations of a message"
APPLIANCE = "bench-ipc"
# Shown with the limits: 1 MiB from alloc to free, untouched; one page in one call of its own
EXTRAS = [("cycle", 1 << 20, 0), *(("single", 4096, read) for read in (0, 64, 4096))]
COUNTS = ["maps", "tlbi_local", "tlbi_broadcast", "barriers", "scrubs"]
FURTHER = [name for name in TLB if name not in COUNTS]


def traffic(case, messages, counts):
    """Bytes that were read and written in memory for these messages, as far as is known: see machine_describe()."""
    hops = messages * (2 if case.kind == "rpc" else 1)
    return 2 * (counts["payload"] + counts["inline"]) + PAGE * counts["scrubs"] + hops * case.read


def row_of(case, boot, policy, run):
    """The members of the first rows of the file, in their order, and then the others."""
    messages, instructions, cycles, counts, samples = run
    pages = -(-case.size // PAGE) if case.size > INLINE_MAX else 0

    def each(value, parts=1):
        return round(value / messages / parts, 3)

    copied = counts["payload"] + counts["inline"]
    row = {"kind": case.kind, "bytes": case.size, "placement": boot.placement, "cpus": case.cpus, "policy": policy,
           "touch": case.touch, "instructions": each(instructions), **{name: each(counts[name]) for name in COUNTS},
           "bytes_copied": each(copied), "bytes_read": case.read, "services": case.services, "cycles": each(cycles),
           **{name: each(counts[name]) for name in FURTHER}, "bytes_traffic": each(traffic(case, messages, counts)),
           "pages": pages}
    if pages:
        row["per_page"] = {"instructions": each(instructions, pages), **{name: each(counts[name], pages) for name in COUNTS},
                           "bytes_copied": each(copied, pages), "bytes_traffic": each(traffic(case, messages, counts), pages)}
    return {**row, "samples": samples}


def measure_case(guest, case, boot):
    """One row."""
    count, laps = BURSTS[case.size]
    guest.prepare(case.kind, case.size, case.read, case.services, case.cpus, count)
    run = per_message(guest, laps)
    guest.check(count)
    check_counts(case.kind, case.size, guest.policy, case.services, run[0], run[3])
    return row_of(case, boot, guest.policy, run)


def measure_extra(guest, kind, size, read, boot):
    """What is shown with the limits, and is no row."""
    count, laps = BURSTS[size]
    guest.prepare(kind, size, read, 1, "same", count)
    messages, instructions, _, counts, _ = per_message(guest, laps)
    guest.check(count)
    return {"kind": kind, "touch": TOUCHES[(0, 64, size).index(read)], "policy": guest.policy, "placement": boot.placement,
            "instructions": round(instructions / messages), "scrubs": round(counts["scrubs"] / messages, 2)}


def case_text(case):
    chain = f" through {case.services} services" if case.part == "chains" else ""
    return f"{case.kind} {case.size} {case.touch if case.part != 'touched' else case.read} {case.cpus}{chain}"


class Measurement:
    """All boots of one call; what they found."""

    def __init__(self, options, image):
        self.options, self.image = options, image
        self.parts = {part: [] for part in parts_of(options)}
        self.extras, self.refused, self.missing = [], [], []
        self.plan = plan(options)
        self.progress = Progress(sum(map(len, self.plan.values())))
        self.with_extras = "rows" in self.parts and not options.kind and not options.bytes and not options.touch

    def boot(self, boot, cases):
        guest = Guest(self.image, self.options, boot)
        try:
            if guest.policy != boot.policy:
                self.absent(f"policy {boot.policy}")
                self.progress.done += len(cases)
                return
            for case in cases:
                self.progress.step(f"{boot.policy}, {boot.placement}, {case_text(case)}")
                if not self.attempt(guest, boot, case):
                    guest.machine.kill()
                    guest = Guest(self.image, self.options, boot)
            if self.with_extras and not boot.wide:
                for extra in EXTRAS:
                    self.extra(guest, extra, boot)
        finally:
            guest.machine.kill()

    def attempt(self, guest, boot, case):
        """False when the guest is not to be trusted any more."""
        try:
            self.parts[case.part].append(measure_case(guest, case, boot))
        except Unavailable as what:
            self.absent(str(what))
        except Refused as why:
            self.refused.append(f"{case_text(case)}, {boot.placement}, {guest.policy}: {why}")
            return False
        return True

    def extra(self, guest, extra, boot):
        try:
            self.extras.append(measure_extra(guest, *extra, boot))
        except Unavailable as what:
            self.absent(str(what))
        except Refused as why:
            self.refused.append(f"{' '.join(map(str, extra))}, {boot.placement}, {guest.policy}: {why}")

    def absent(self, what):
        if what not in self.missing:
            self.missing.append(what)


def measure(options, preset):
    begin = time.monotonic()
    work = Measurement(options, build.image(APPLIANCE, preset))
    for boot, cases in work.plan.items():
        if not work.progress.live:
            say(f"unmap={boot.policy}, {boot.placement} services{', wide' if boot.wide else ''}: {len(cases)} cases")
        work.boot(boot, cases)
    work.progress.clear()
    results = {"rows": [], **work.parts, "extras": work.extras, "crossover": bench_crossover.compute(work.parts),
               **machine_describe(), "parts": {part: PARTS[part] for part in work.parts}, "refused": work.refused}
    bench_report.show(results)
    for what in work.missing:
        say(f"not measured: {what}: this kernel has no such thing")
    for why in work.refused:
        say(f"no figure: {why}")
    say(f"{sum(map(len, work.parts.values()))} rows in {time.monotonic() - begin:.0f} s")
    return bool(work.refused), results
