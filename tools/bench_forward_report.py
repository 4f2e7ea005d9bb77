"""The tables of ./baton bench forward: rates, counts, how one guest stands to another, and the limits that the project has set."""
import statistics

from tools.common import say
from tools.table import rows as table

COUNTERS = ["register_accesses", "tlbi_local", "tlbi_broadcast", "barriers", "ipi", "pages_mapped", "bytes_copied"]
COUNTER_HEADS = ["registers", "tlbi local", "broadcast", "barriers", "ipi", "mapped", "copied"]
# (guest, must, aim): instructions of a frame of 60 and of 1514 bytes, one way, window 256, one CPU
LIMITS = [("baton-switch", 480, 400), ("baton-router", 600, 500), ("baton-switch-trusted", 350, 300)]
BATON = "baton-"


def number(value, digits=2):
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.{digits}f}"


def percent(value):
    return "-" if value is None else f"{100 * value:.0f} %"


def cpus_text(count):
    return f"{count} CPU{'s' * (count > 1)}"


def case_of(row):
    return row["cpus"], row["size"], row["window"], row["directions"]


def words_of(row):
    return [row["guest"], row["size"], str(row["window"]), row["directions"]]


HEADS = ["", "size", "window", "ways"]


def show_rates(rows):
    body = []
    for row in rows:
        rate, latency = row["frames_per_second"], row["latency_us"]
        body.append([*words_of(row), number(rate["median"]), f"{number(rate['min'])} .. {number(rate['max'])}", row["loss"],
                     *[number(latency[name], 1) for name in ("min", "median", "p99")], percent(row["cpu_busy"]),
                     percent(row["cpu_idle"])])
    print("\n".join(table([*HEADS, "frames/s", "spread", "lost", "us min", "median", "p99", "busy", "idle"], body, 4)))


def show_counts(rows):
    print("\na frame, counted with time that follows the instructions:\n")
    body = [[*words_of(row), *[number(row["instructions"][way]) for way in ("lower", "plain", "one_insn_per_tb")],
             *[number(row[name]) for name in COUNTERS]] for row in rows]
    print("\n".join(table([*HEADS, "instructions", "plain", "one a block", *COUNTER_HEADS], body, 4)))


# ---- Side by side ----

def by_case(rows):
    found = {}
    for row in rows:
        found.setdefault(case_of(row), []).append(row)
    return found


def in_turns(mine, other):
    """The ratio of two guests' rates, in each round of turns."""
    return [a / b for a, b in zip(mine["frames_per_second"]["runs"], other["frames_per_second"]["runs"]) if b]


def quotient(mine, other):
    return f"{mine / other:.2f}" if mine and other else "-"


def comparisons(rows):
    for same in by_case(rows).values():
        for mine in (row for row in same if row["guest"].startswith(BATON)):
            for other in (row for row in same if not row["guest"].startswith(BATON)):
                if mine["routed"] == other["routed"] or other["polls"]:
                    yield mine, other


def show_ratios(rows):
    body = []
    for mine, other in comparisons(rows):
        rates = in_turns(mine, other)
        body.append([mine["guest"], other["guest"], mine["size"], str(mine["window"]), mine["directions"], str(mine["cpus"]),
                     f"{statistics.median(rates):.2f}", f"{min(rates):.2f} .. {max(rates):.2f}",
                     f"{mine['latency_us']['median'] / other['latency_us']['median']:.2f}",
                     quotient(mine["instructions"]["lower"], other["instructions"]["lower"])])
    if body:
        print("\nhow many times the other's figure; rates run against run, as they were taken in turns:\n")
        print("\n".join(table(["", "beside", "size", "window", "ways", "CPUs", "frames/s", "spread", "latency", "instructions"],
                              body, 6)))


# ---- Limits ----

def verdict(value, limit, least=False):
    return f"{number(value)} {'reached' if (value >= limit if least else value <= limit) else 'NOT REACHED'}"


def limit_lines(rows):
    for row in rows:
        if (row["cpus"], row["window"], row["directions"]) == (1, 256, "one") and row["size"] in ("60", "1514"):
            for guest, must, aim in LIMITS:
                if row["guest"] == guest:
                    count = row["instructions"]["lower"]
                    yield [f"{guest}, {row['size']} B, instructions", f"below {must}, aim {aim}", verdict(count, must - 1)]
    for mine, other in comparisons(rows):
        what = f"{mine['guest']} beside {other['guest']}, {mine['size']} B, window {mine['window']}"
        if mine["window"] == 1 and other["guest"].startswith("dpdk"):
            ratio = mine["latency_us"]["median"] / other["latency_us"]["median"]
            yield [f"{what}: latency", "at most 2 times", verdict(ratio, 2)]
        elif mine["window"] > 1 and mine["cpus"] == 1:
            least = 1 if other["guest"].startswith("dpdk") else 2.5 if "bridge" in other["guest"] else None
            if least:
                ratio = statistics.median(in_turns(mine, other))
                yield [f"{what}: frames/s", f"at least {least} times", verdict(ratio, least, True)]


def show(rows):
    for cpus in dict.fromkeys(row["cpus"] for row in rows):
        print(f"\n{cpus_text(cpus)}; frames/s and latency are those of this machine in this hour:\n")
        here = [row for row in rows if row["cpus"] == cpus]
        show_rates(here)
        show_counts(here)
    show_ratios(rows)
    body = list(limit_lines(rows))
    if body:
        print("\nlimits of the project:\n")
        print("\n".join(table(["", "limit", "reached"], body, 3)))


def show_rest(refused, absent, commands, alone, ahead):
    if alone:
        print("\nThe generator and a socket alone, without a machine: "
              + ", ".join(f"{rate:,} frames/s at {size}" for size, rate in alone.items()))
    print("\nThe generator ran " + ("at real-time priority, the guests did not." if ahead else
          "at the guests' own priority: latencies hold what it waited for a processor."))
    for name, line in commands.items():
        print(f"\n{name}:\n    {line}")
    print(flush=True)
    for one in absent:
        say(f"absent: {one['peer']}: {one['why']}")
    for row in refused:
        case = ", ".join(str(row[name]) for name in ("guest", "size", "window", "directions", "cpus") if name in row)
        say(f"no figure: {case}: {row['why']}")
