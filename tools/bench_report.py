"""The tables of ./baton bench ipc: what was measured, beside what others cost, and the limits that the project has set."""
from tools.table import rows as table

# Between two Linux processes on one virtual CPU, taken elsewhere, with the same emulator: (one way, round trip) by bytes.
LINUX = {
    "pipe": {64: (2866, 15686), 4096: (6567, 20465), 65536: (64583, 134576), 1 << 20: (984000, 2000000)},
    "memfd": {64: (66514, 138557), 4096: (66405, 137496), 65536: (221000, 447000), 1 << 20: (2700000, 5300000)},
    "futex": {64: (3954, 14727), 4096: (3955, 14719), 65536: (4135, 15088), 1 << 20: (11957, 18227)},
}
WHAT = ("Linux, taken elsewhere (one vCPU, instructions of the same kind): pipe copies; memfd by SCM_RIGHTS is a true hand-over;\n"
        "futex is a shared ring, which protects nothing.")
COUNTS = ["maps", "tlbi_local", "tlbi_broadcast", "barriers", "scrubs", "bytes_copied"]
# (kind, bytes, touch, at most, how it is told): isolated services on one CPU
LIMITS = [
    ("rpc", 64, "none", 1000, "rpc of 64 bytes"),
    ("oneway", 4096, "none", 600, "one page one way, untouched"),
    ("oneway", 4096, "header", 1000, "one page one way, its header read"),
    ("oneway", 4096, "all", 1500, "one page one way, all of it read"),
    ("oneway", 1 << 20, "none", 8000, "1 MiB one way, untouched"),
]
CYCLE_LIMIT = 20000


def size_text(count):
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if count >= unit and count % unit == 0:
            return f"{count // unit} {name}"
    return f"{count} B"


def number(value):
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.2f}"


def linux(row):
    way = 1 if row["kind"] == "rpc" else 0
    return [number(found[way]) if (found := costs.get(row["bytes"])) else "" for costs in LINUX.values()]


def show_rows(rows):
    for placement, policy in dict.fromkeys((row["placement"], row["policy"]) for row in rows):
        print(f"\n{placement} services, unmap={policy}; a message:\n")
        body = [[row["kind"], size_text(row["bytes"]), row["touch"], row["cpus"], number(row["instructions"]),
                 *[number(row[name]) for name in COUNTS], *linux(row)]
                for row in rows if (row["placement"], row["policy"]) == (placement, policy)]
        heads = ["kind", "bytes", "read", "cpus", "instructions", "maps", "tlbi local", "broadcast", "barriers", "scrubs",
                 "copied", *LINUX]
        print("\n".join(table(heads, body, 4)))


def verdict(value, limit):
    return f"{number(value)} {'reached' if value <= limit else 'NOT REACHED'}"


def show_limits(rows, extras):
    near = [row for row in rows if row["placement"] == "isolated" and row["cpus"] == "same"]
    policies = list(dict.fromkeys(row["policy"] for row in near))
    body = []

    def line(text, limit, found):
        if found:
            body.append([text, limit, *[verdict(*found[policy]) if policy in found else "" for policy in policies]])

    for kind, size, touch, limit, text in LIMITS:
        line(text, f"at most {limit:,}", {row["policy"]: (row["instructions"], limit) for row in near
                                          if (row["kind"], row["bytes"], row["touch"]) == (kind, size, touch)})
    line("1 MiB from alloc to free, untouched", f"at most {CYCLE_LIMIT:,}",
         {cycle["policy"]: (cycle["instructions"], CYCLE_LIMIT) for cycle in extras if (cycle["kind"], cycle["placement"]) == ("cycle", "isolated")})
    line("broadcast TLBI, steady, on one CPU", "none",
         {policy: (max(row["tlbi_broadcast"] for row in near if row["policy"] == policy), 0) for policy in policies})
    if body:
        print("\nlimits: isolated services on one CPU\n")
        print("\n".join(table(["", "instructions", *[f"unmap={policy}" for policy in policies]], body, 2 + len(policies))))
    for extra in extras:
        if extra["kind"] == "cycle" and extra["scrubs"]:
            print(f"alloc to free, {extra['placement']}, unmap={extra['policy']}: {number(extra['scrubs'])} pages scrubbed, "
                  "which is in the figure")


def show_single(extras):
    single = [extra for extra in extras if extra["kind"] == "single" and extra["placement"] == "isolated"]
    policies = list(dict.fromkeys(extra["policy"] for extra in single))
    if single:
        print("\none page one way with one call for each message, isolated services on one CPU: instructions\n")
        body = [[touch, *[number(extra["instructions"]) for extra in single if extra["touch"] == touch]]
                for touch in dict.fromkeys(extra["touch"] for extra in single)]
        print("\n".join(table(["read", *[f"unmap={policy}" for policy in policies]], body, 1)))


def show(rows, extras):
    if not rows:
        return
    show_rows(rows)
    print(f"\n{WHAT}")
    show_limits(rows, extras)
    show_single(extras)
