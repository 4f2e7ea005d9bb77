"""
./baton bench forward: frames through an appliance, between two sockets; beside it, in turns, others that do the same
(docs/bench.md tells how it is counted, and what that can and cannot tell).

Each guest is booted twice for each number of CPUs: once as fast as QEMU can, for rates and latencies; once with time that
follows the instructions, for counts (tools/rig.py). A run that is not in order gives no figure (tools/trial.py).
"""
import itertools
import socket
import statistics
import time

from tools import baton_guest, bench_forward_report as report, bench_options, bench_throughput, placing, rig, trial
from tools.common import Failure, say
from tools.progress import Progress
from tools.trial import Refused

NAME = "forward"
TEXT = "frames through an appliance: rate, latency, instructions"
RUNS, SECONDS = 3, 0.4
WARM = 1000            # frames of each flow before anything is counted
WARM_ALONE = 100       # the same with one frame under way at a time
COUNTED = 10000        # frames of each flow under the instruction counter
COUNTED_ALONE = 1000   # the same with one frame under way at a time
ASLEEP = 0.2           # of a processor, at most, while no frame comes
CEILING_SECONDS = 0.2
POLLING_COUNTS = 3     # of a guest that polls, the least of which is taken
WAYS = {"plain": False, "one_insn_per_tb": True}


class Case:
    """One row for each guest: frames of a size, so many at once, one way or both, through so many CPUs."""

    PARTS = ("cpus", "sizes", "windows", "directions")

    def __init__(self, cpus, size, window, directions):
        self.cpus, self.size, self.window, self.directions = cpus, size, window, directions

    def text(self):
        return f"{self.size} B, window {self.window}, {self.directions}, {report.cpus_text(self.cpus)}".replace("imix B", "imix")

    def warm(self):
        return WARM_ALONE if self.window == 1 else WARM

    def counted(self):
        return COUNTED_ALONE if self.window == 1 else COUNTED


def rate_of(one, case, seconds):
    """One timed run; what is shown of it."""
    with placing.apart(one, case.window == 1) as place:
        result, _, _ = trial.run(one, case.size, case.directions, window=case.window, seconds=seconds, warm=case.warm(), timing=True,
                                 place=place)
    measured, latency = result["measured"], result.get("latency_us")
    if not latency:
        raise Refused(f"no frame came within {seconds} s")
    return {"frames_per_second": measured["frames"] / measured["seconds"], "cpu": result["cpu"],
            "latency_us": {name: latency[name] for name in ("min", "median", "p99")}}


def per_frame(result, before, after):
    """The guest's counters for each frame that went through, greetings and probes included."""
    frames = sum(port["in"] for port in result["ports"])
    found = dict.fromkeys(report.COUNTERS)
    found["register_accesses"] = round(result["register_accesses"] / result["frames_counted"], 3)
    if before is None or "tlb" not in before:
        return found

    def grown(group, *names):
        return round(sum(after[group][name] - before[group][name] for name in names) / frames, 3)

    return {**found, "tlbi_local": grown("tlb", "local"), "tlbi_broadcast": grown("tlb", "broadcast", "reissued"),
            "barriers": grown("tlb", "barriers"), "ipi": grown("tlb", "ipi"), "pages_mapped": grown("pages", "mapped"),
            "bytes_copied": grown("copied", "payload_bytes", "inline_bytes")}


def count_once(one, case, single):
    one.single(single)
    result, before, after = trial.run(one, case.size, case.directions, window=case.window, warm=case.warm(),
                                      frames=case.warm() + case.counted(), count=one.counter)
    return result["instructions_per_frame"], per_frame(result, before, after)


def counts_of(one, case):
    """
    The same traffic counted in both ways; the counters are those of the way that took fewer instructions. A guest that polls
    counts what it does while nothing comes: with one frame at a time that is all but the work, and else the host must not be late,
    so the least of a few counts is taken.
    """
    ways = {}
    for way, single in WAYS.items():
        if one.guest.polls and case.window == 1:
            ways[way] = (None, dict.fromkeys(report.COUNTERS))
        else:
            again = POLLING_COUNTS if one.guest.polls else 1
            ways[way] = min((count_once(one, case, single) for _ in range(again)), key=lambda found: found[0])
    lower = min(ways, key=lambda way: ways[way][0] or 0)
    return {"instructions": {**{way: figure for way, (figure, _) in ways.items()}, "lower": ways[lower][0]}, **ways[lower][1]}


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


class Measurement:
    def __init__(self, options, guests):
        self.options, self.guests = options, guests
        self.absent, self.commands, self.refused, self.rows = [], {}, [], []
        self.cases = [Case(*case) for case in itertools.product(*[bench_options.chosen(options, name) for name in Case.PARTS])]
        self.runs, self.seconds = options.runs or RUNS, options.seconds or SECONDS
        self.progress = Progress(len(self.cases) * len(guests) * (self.runs + 1))
        self.found = {(case, guest.name): {"runs": []} for case in self.cases for guest in guests}

    def lose(self, guest, why):
        """A peer that does not even boot is absent from here on; Baton itself must boot."""
        if isinstance(guest, baton_guest.Baton):
            raise why
        self.guests.remove(guest)
        self.absent.append({"peer": guest.name, "why": rig.brief(why)})

    def attempt(self, rigs, guest, case, work):
        """Does one piece of work with a guest, unless its row has been refused already."""
        found = self.found[case, guest.name]
        self.progress.step(f"{guest.name}, {case.text()}")
        if "refused" in found or guest not in self.guests:
            return
        try:
            work(rigs.turn(guest), found)
        except Refused as why:
            found["refused"] = str(why)
            rigs.drop(guest)
        except Failure as why:
            rigs.drop(guest)
            self.lose(guest, why)

    def rates(self, cpus):
        rigs = rig.Rigs(cpus, False, self.options.spoil)
        try:
            for case in (case for case in self.cases if case.cpus == cpus):
                for _ in range(self.runs):
                    for guest in list(self.guests):
                        self.attempt(rigs, guest, case, lambda one, found: self.rate(one, found, case))
        finally:
            rigs.close()

    def rate(self, one, found, case):
        self.commands.setdefault(f"{one.guest.name}, {report.cpus_text(one.cpus)}", one.text())
        if not hasattr(one, "idle"):
            one.idle = one.idle_share()
        if not one.guest.polls and one.idle is not None and one.idle > ASLEEP:
            raise Refused(f"the guest is awake while nothing comes: it uses {100 * one.idle:.0f} % of a processor")
        found["idle"] = one.idle
        found["runs"].append(rate_of(one, case, self.seconds))

    def counts(self, cpus):
        rigs = rig.Rigs(cpus, True, self.options.spoil)
        try:
            for guest in list(self.guests):
                for case in (case for case in self.cases if case.cpus == cpus):
                    self.attempt(rigs, guest, case, lambda one, found: self.count(one, found, case))
                rigs.drop(guest)
        finally:
            rigs.close()

    def count(self, one, found, case):
        self.commands.setdefault(f"{one.guest.name}, {report.cpus_text(one.cpus)}, counted", one.text())
        found["counts"] = counts_of(one, case)

    def finish(self):
        for (case, name), found in self.found.items():
            guest = next((guest for guest in self.guests if guest.name == name), None)
            if not guest:
                continue
            key = {"guest": name, "title": guest.title, "routed": bool(guest.routed), "polls": guest.polls, "cpus": case.cpus,
                   "size": case.size, "window": case.window, "directions": case.directions}
            if "refused" in found:
                self.refused.append({**key, "why": found["refused"]})
            else:
                self.rows.append({**key, **row_of(found)})

    def work(self):
        for cpus in dict.fromkeys(case.cpus for case in self.cases):
            self.rates(cpus)
            self.counts(cpus)
        self.progress.clear()
        self.finish()

    def show(self):
        report.show(self.rows)


def row_of(found):
    runs = found["runs"]
    busy = [run["cpu"] for run in runs if run["cpu"] is not None]
    return {"frames_per_second": {**spread([run["frames_per_second"] for run in runs]),
                                  "runs": [round(run["frames_per_second"]) for run in runs]},
            "loss": 0,
            "latency_us": {"min": min(run["latency_us"]["min"] for run in runs),
                           "median": statistics.median(run["latency_us"]["median"] for run in runs),
                           "p99": statistics.median(run["latency_us"]["p99"] for run in runs),
                           "runs": [run["latency_us"] for run in runs]},
            "cpu_busy": round(statistics.median(busy), 3) if busy else None,
            "cpu_idle": None if found["idle"] is None else round(found["idle"], 3), **found["counts"]}


def ceiling(sizes):
    """What the generator and a socket carry with no machine between, so that one sees that they are not what is measured."""
    found = {}
    for size in sizes:
        ends = socket.socketpair()
        try:
            measured = trial.generate(ends, size, seconds=CEILING_SECONDS, warm=WARM)["measured"]
        finally:
            for end in ends:
                end.close()
        found[size] = round(measured["frames"] / measured["seconds"])
    return found


def own(options):
    """Which of Baton's appliances, and how placed: one, or beside others those that the project has set limits for."""
    if options.appliance or not options.versus:
        return [(options.appliance or "switch", options.placement or "isolated")]
    if options.placement:
        return [("switch", options.placement), ("router", options.placement)]
    return [("switch", "isolated"), ("switch", "trusted"), ("router", "isolated")]


def prepare(options, preset):
    """The guests that can be had, Baton's first, and those that cannot, each with the reason."""
    versus = list(dict.fromkeys(options.versus or []))
    if versus:
        from tools import peer as peers
    guests = [baton_guest.Baton(appliance, placement, preset, options.memory) for appliance, placement in own(options)]
    for guest in guests:
        guest.prepare()
    absent, missing = [], {}  # why the guest of a recipe could not be made: peers that share it need not try again
    for kind in versus:
        for other in peers.of(kind):
            if not any(rig.alike(guest, other) for guest in guests):
                continue
            try:
                if other.recipe in missing:
                    raise peers.Absent(other.title, missing[other.recipe])
                other.prepare()
                guests.append(other)
            except peers.Absent as why:
                missing[other.recipe] = why.reason
                absent.append({"peer": other.name, "why": str(why)})
    return guests, absent


def measure(options, preset):
    begin = time.monotonic()
    guests, absent = prepare(options, preset)
    for one in absent:
        say(f"absent: {one['peer']}: {one['why']}")
    work = (bench_throughput.Search if options.throughput else Measurement)(options, guests)
    work.work()
    alone = ceiling(dict.fromkeys(row["size"] for row in work.rows))
    absent += work.absent
    work.show()
    ahead = bool(placing.ahead()) and not options.throughput
    report.show_rest(work.refused, absent, work.commands, alone, ahead)
    say(f"{len(work.rows)} rows in {time.monotonic() - begin:.0f} s")
    results = {"rows": work.rows, "refused": work.refused, "absent": absent, "commands": work.commands, "generator_alone": alone,
               "generator_ahead": ahead}
    return bool(work.refused), results
