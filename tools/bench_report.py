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
# Columns of the tables: those in which all is 0 are left out, but for the first five
COUNTS = {"maps": "maps", "tlbi_local": "tlbi local", "tlbi_broadcast": "broadcast", "barriers": "barriers",
          "bytes_copied": "copied", "tlbi_queued": "queued", "tlbi_reissued": "reissued", "tlbi_ipi": "ipi",
          "scrubs": "scrubs", "bytes_traffic": "traffic"}
ALWAYS = 5
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


def columns(rows):
    return [name for i, name in enumerate(COUNTS) if i < ALWAYS or any(row[name] for row in rows)]


def per_page(row):
    return number(row["per_page"]["instructions"]) if row["pages"] > 1 else ""


def show_rows(rows):
    for placement, policy in dict.fromkeys((row["placement"], row["policy"]) for row in rows):
        print(f"\n{placement} services, unmap={policy}; a message:\n")
        chosen = [row for row in rows if (row["placement"], row["policy"]) == (placement, policy)]
        names = columns(chosen)
        body = [[row["kind"], size_text(row["bytes"]), row["touch"], row["cpus"], number(row["instructions"]), per_page(row),
                 *[number(row[name]) for name in names], *linux(row)] for row in chosen]
        heads = ["kind", "bytes", "read", "cpus", "instructions", "a page", *[COUNTS[name] for name in names], *LINUX]
        print("\n".join(table(heads, body, 4)))


def show_policies(rows, title, keys):
    """The policies beside each other: `keys` is a list of (head, what to show of a row)."""
    for placement, cpus in dict.fromkeys((row["placement"], row["cpus"]) for row in rows):
        chosen = [row for row in rows if (row["placement"], row["cpus"]) == (placement, cpus)]
        policies = list(dict.fromkeys(row["policy"] for row in chosen))
        lines = {}
        for row in chosen:
            lines.setdefault(tuple(show(row) for _, show in keys), {})[row["policy"]] = number(row["instructions"])
        body = [[*line, *[found.get(policy, "") for policy in policies]] for line, found in lines.items()]
        print(f"\n{title}; {placement} services, {'one CPU' if cpus == 'same' else 'across CPUs'}: instructions of a message\n")
        print("\n".join(table([*[head for head, _ in keys], *[f"unmap={policy}" for policy in policies]], body, len(keys))))


CHAIN_KEYS = [("bytes", lambda row: size_text(row["bytes"])), ("read", lambda row: row["touch"]),
              ("services", lambda row: str(row["services"]))]
TOUCHED_KEYS = [("bytes", lambda row: size_text(row["bytes"])), ("of which read", lambda row: size_text(row["bytes_read"]))]


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


def crossing_text(entry):
    where = entry["from"]
    if where is None:
        return ""
    if isinstance(where, str):
        return where
    low, high = where
    if not low:
        return "from the first byte"
    return f"between {size_text(low)} and {size_text(high)}: about {size_text(entry['about'])}"


def show_crossover(crossover):
    for name, found in crossover.items():
        part, cpus = name.split(", ")
        where = ("one CPU" if cpus == "same" else "across CPUs") + (", both live on two CPUs" if part == "wide" else "")
        print(f"\ncheapest policy, in instructions; isolated services, one way, {where}\n")
        print("\n".join(table(["bytes", "read", "cheapest", "costs"],
                               [[size_text(row["bytes"]), row["touch"], ", ".join(row["cheapest"]), number(min(row["cost"].values()))]
                                for row in found["cheapest"]], 3)))
        print("\nfrom how many bytes read on one is cheaper than the other, in instructions\n")
        heads = [key for key in found["by_bytes_read"][0] if key != "bytes"]
        print("\n".join(table(["bytes", *heads], [[size_text(row["bytes"]), *[crossing_text(row[head]) for head in heads]]
                                                   for row in found["by_bytes_read"]], 9)))
        print("\nfrom which size of the message on one is cheaper than the other, in instructions\n")
        heads = [key for key in found["by_size"][0] if key != "touch"]
        print("\n".join(table(["read", *heads], [[row["touch"], *[crossing_text(row[head]) for head in heads]]
                                                  for row in found["by_size"]], 9)))
        prices = found["price_of_an_invalidation"]
        if prices:
            print("\ncopying is as cheap as remapping (dash) when each map with its invalidation takes, beyond its instructions,\n"
                  "the time of so many further ones\n")
            print("\n".join(table(["bytes", "read", "invalidations", "further"],
                                   [[size_text(row["bytes"]), row["touch"], number(row["invalidations"]), number(row["instructions"])]
                                    for row in prices], 2)))


def show_machine(results):
    print(f"\n{results['machine']}\n\nwhat was counted                real here")
    for name, (real, why) in results["counters"].items():
        print(f"{name:30}  {'yes' if real else 'NO':4}  {why}")


def show(results):
    rows = results["rows"]
    show_rows(rows)
    if rows:
        print(f"\n{WHAT}")
    show_policies(results.get("chains", []), "through services in a row, for each hop", CHAIN_KEYS)
    show_policies(results.get("touched", []), "part of the message read", TOUCHED_KEYS)
    if results.get("wide"):
        print("\nboth services have been live on both CPUs, so that what is unmapped concerns both:")
        show_rows(results["wide"])
    if rows:
        show_limits(rows, results["extras"])
        show_single(results["extras"])
    show_crossover(results["crossover"])
    if any(results.get(part) for part in results["parts"]):
        show_machine(results)
