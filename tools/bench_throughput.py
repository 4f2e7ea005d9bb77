"""
./baton bench forward --throughput: the highest rate without loss, as RFC 2544 section 26.1 has it, by halving. The generator
sends at a rate whatever comes back, and a rate passes when every frame could be sent at its time, arrived once and in order,
and the guest was not falling behind.

A stream socket pushes back where a cable would drop. So a guest that is too slow shows in frames that could not be sent at
their time, since the socket was full, and before that in frames that wait in the socket: at the end of a trial no more may be
under way than the NICs' rings hold. What the generator itself was too late for, since the host gave it no time, was not offered:
the rate is that of the frames which were, and a trial in which too much is missing tells nothing.
"""
from tools import baton_guest, bench_forward_report as report, bench_options, rig, trial
from tools.common import Failure
from tools.progress import Progress
from tools.table import rows as table
from tools.trial import Refused

TRIAL_SECONDS = 2     # RFC 2544 says 60
RESOLUTION = 0.02     # of the rate, where the search ends
LEAST = 0.1           # of the rate with a window, where it begins
MOST = 1.25
AGAIN = 2             # times that a rate which did not pass is tried again: the host does other things too
MISSING = 0.02        # of the frames that may not have been offered
STALL = 2             # seconds without a frame, after which those under way are lost
RINGS = 512           # frames that the two rings hold
WINDOW, PROBE_SECONDS, WARM = 256, 0.5, 1000


def total(result, name):
    return sum(flow[name] for flow in result["flows"])


def verdict(result):
    """Why a trial did not pass; None when it did."""
    if trial.stuck(result):
        return "it stopped taking frames"
    if result["lost"]:
        return f"{result['lost']:,} lost"
    if total(result, "blocked"):
        return f"{total(result, 'blocked'):,} not taken at their time"
    if result["measured"]["under_way"] > RINGS:
        return f"{result['measured']['under_way']:,} under way at the end"
    if total(result, "not_offered") > MISSING * total(result, "sent"):
        return f"the host was busy: {total(result, 'not_offered'):,} not offered"
    return None


def halve(low, high, passes):
    """The highest rate that passes, between one that is hoped to and one that is not believed to; None when none does."""
    if not passes(low):
        return None
    while high - low > RESOLUTION * high:
        middle = (low + high) / 2
        low, high = (middle, high) if passes(middle) else (low, middle)
    return low


class Search:
    def __init__(self, options, guests):
        self.options, self.guests = options, guests
        self.rows, self.refused, self.absent, self.commands = [], [], [], {}
        self.seconds = options.seconds or TRIAL_SECONDS
        self.sizes = bench_options.chosen(options, "sizes")
        self.cpus, self.directions = options.cpus or [1], options.directions or ["one"]
        self.progress = Progress(len(self.sizes) * len(self.cpus) * len(self.directions) * len(guests))

    def try_rate(self, rigs, guest, key, rate, trials):
        for _ in range(AGAIN + 1):
            result, _, _ = trial.run(rigs.turn(guest), key["size"], key["directions"], loss_allowed=True, rate=round(rate),
                                     seconds=self.seconds, timing=True, stall=STALL)
            why = verdict(result)
            trials.append({"rate": round(rate), "offered": total(result, "sent"), "lost": result["lost"],
                           **{name: total(result, name) for name in ("not_offered", "blocked")}, "under_way":
                           result["measured"]["under_way"], "passed": why is None, "why": why,
                           "latency_us": result.get("latency_us")})
            if why is None:
                return True
            if trial.stuck(result):
                rigs.drop(guest)
        return False

    def search(self, rigs, guest, key):
        result, _, _ = trial.run(rigs.turn(guest), key["size"], key["directions"], window=WINDOW, seconds=PROBE_SECONDS, warm=WARM)
        ways = len(trial.FLOWS[key["directions"]])
        reached = result["measured"]["frames"] / result["measured"]["seconds"] / ways
        trials = []
        rate = halve(LEAST * reached, MOST * reached, lambda rate: self.try_rate(rigs, guest, key, rate, trials))
        if rate is None:
            raise Refused(f"not even {LEAST * reached:,.0f} frames/s passed: {trials[-1]['why']}")
        best = next(one for one in reversed(trials) if one["passed"] and one["rate"] == round(rate))
        latency = best["latency_us"]
        return {**key, "frames_per_second": round(best["offered"] / self.seconds), "resolution": RESOLUTION,
                "trial_seconds": self.seconds, "latency_us": {name: latency[name] for name in ("min", "median", "p99")}, "trials": trials}

    def one_row(self, rigs, guest, key):
        self.progress.step(f"{guest.name}, {key['size']}, {key['directions']}, {report.cpus_text(key['cpus'])}")
        try:
            one = rigs.turn(guest)
            self.commands.setdefault(f"{guest.name}, {report.cpus_text(one.cpus)}", one.text())
            self.rows.append(self.search(rigs, guest, key))
        except Refused as why:
            self.refused.append({**key, "why": str(why)})
            rigs.drop(guest)
        except Failure as why:
            rigs.drop(guest)
            if isinstance(guest, baton_guest.Baton):
                raise
            self.guests.remove(guest)
            self.absent.append({"peer": guest.name, "why": rig.brief(why)})

    def work(self):
        for cpus in self.cpus:
            rigs = rig.Rigs(cpus, False, self.options.spoil)
            try:
                for size in self.sizes:
                    for directions in self.directions:
                        for guest in list(self.guests):
                            self.one_row(rigs, guest, {"guest": guest.name, "title": guest.title, "cpus": cpus, "size": size,
                                                       "directions": directions})
            finally:
                rigs.close()
        self.progress.clear()

    def show(self):
        if not self.rows:
            return
        print(f"\nthe highest rate without loss (RFC 2544, but trials of {self.seconds:g} s), within {100 * RESOLUTION:.0f} %:\n")
        body = [[row["guest"], row["size"], row["directions"], str(row["cpus"]), report.number(row["frames_per_second"]),
                 *[report.number(row["latency_us"][name], 1) for name in ("min", "median", "p99")], len(row["trials"])]
                for row in self.rows]
        print("\n".join(table(["", "size", "ways", "CPUs", "frames/s", "us min", "median", "p99", "trials"], body, 4)))
