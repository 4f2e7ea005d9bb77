"""
python3 -m tools.bench_document DOCUMENT... [--ipc JSON] [--forward JSON]

Writes the tables of documents (docs/performance.md, README.md) from what ./baton bench has written with --json. A table stands
between two lines, `<!-- begin NAME: COMMAND -->` and `<!-- end NAME -->`; those for which no file is given stay as they are.
"""
import argparse
import json
import pathlib
import re

from tools import bench_forward_report as forward_report
from tools.bench_report import LINUX, crossing_text, number, size_text

MARK = re.compile(r"(<!-- begin ([a-z-]+): [^\n]* -->\n)(.*?)(<!-- end \2 -->\n)", re.DOTALL)
POLICIES = ["copy", "synchronous", "dash", "path"]


def markdown(heads, body, left):
    """Lines of a table; the first `left` columns are words."""
    return ["| " + " | ".join(heads) + " |", "|" + "|".join(["---"] * left + ["---:"] * (len(heads) - left)) + "|",
            *["| " + " | ".join(map(str, row)) + " |" for row in body]]


def select(rows, **wanted):
    return [row for row in rows if all(row.get(name) == value for name, value in wanted.items())]


# ---- ipc ----

# (what, where the figure is, which): for the README. Isolated services on one CPU
README_LINES = [
    ("rpc of 64 bytes", "rows", ("rpc", 64, "none")),
    ("one page one way, untouched", "rows", ("oneway", 4096, "none")),
    ("its header read", "rows", ("oneway", 4096, "header")),
    ("all of it read", "rows", ("oneway", 4096, "all")),
    ("one page, a call for each message, untouched", "extras", ("single", 4096, "none")),
    ("1 MiB one way, untouched", "rows", ("oneway", 1 << 20, "none")),
    ("1 MiB one way, all of it read", "rows", ("oneway", 1 << 20, "all")),
]


def ipc_readme(results):
    body = []
    for what, where, (kind, size, touch) in README_LINES:
        (row,) = [row for row in select(results[where], placement="isolated", policy="dash", kind=kind, touch=touch)
                  if row.get("bytes", size) == size and row.get("cpus", "same") == "same"]
        linux = [costs[size][kind == "rpc"] for costs in LINUX.values()] if where == "rows" and touch == "none" else []
        body.append([what, number(row["instructions"]), *(map(number, linux) if linux else [""] * len(LINUX))])
    return markdown(["", "Baton", "pipe (copies)", "memfd (hands over)", "shared memory, futex (protects nothing)"], body, 1)


def by_policy(rows, heads, key):
    """The policies' instructions beside each other, a line for each key."""
    found = {}
    for row in rows:
        found.setdefault(tuple(key(row)), {})[row["policy"]] = number(row["instructions"])
    body = [[*line, *[cost.get(policy, "") for policy in POLICIES]] for line, cost in found.items()]
    return markdown([*heads, *[f"`{policy}`" for policy in POLICIES]], body, len(heads))


def near(results, part="rows", **wanted):
    rows = select(results.get(part, []), placement="isolated", **{"cpus": "same", **wanted})
    return sorted(rows, key=lambda row: (row["bytes"], row["bytes_read"]))


def ipc_size(results):
    return by_policy(near(results, kind="oneway"), ["bytes", "read"], lambda row: (size_text(row["bytes"]), row["touch"]))


def ipc_call(results):
    rows = [*near(results, kind="rpc"), *near(results, kind="rpc", cpus="cross")]
    return by_policy(rows, ["bytes", "read", "CPUs"], lambda row: (size_text(row["bytes"]), row["touch"], row["cpus"]))


def ipc_trusted(results):
    """What isolation costs: the same services at EL1."""
    body = []
    for row in near(results, kind="oneway", policy="dash"):
        others = select(results["rows"], kind="oneway", policy="dash", placement="trusted", cpus="same", bytes=row["bytes"],
                        touch=row["touch"])
        if others:
            mine, other = row["instructions"], others[0]["instructions"]
            body.append([size_text(row["bytes"]), row["touch"], number(mine), number(other), number(mine - other)])
    return markdown(["bytes", "read", "isolated", "trusted", "difference"], body, 2)


def ipc_counts(results):
    """What a message does to tables, TLBs and memory; of each page, in brackets."""
    names = ["maps", "tlbi_local", "barriers", "scrubs", "bytes_copied", "bytes_traffic"]
    body = []
    for row in near(results, kind="oneway", touch="all"):
        if row["bytes"] in (64, 256, 4096, 65536, 1 << 20) and row["policy"] in ("copy", "dash", "path"):
            page = row.get("per_page")
            body.append([size_text(row["bytes"]), f"`{row['policy']}`", number(row["instructions"]),
                         number(page["instructions"]) if page else "", *[number(row[name]) for name in names]])
    return markdown(["bytes", "", "instructions", "of each page", "maps", "TLBI", "barriers", "scrubs", "copied", "traffic"], body, 2)


def ipc_read(results):
    return by_policy(near(results, "touched"), ["bytes", "of which read"],
                     lambda row: (size_text(row["bytes"]), size_text(row["bytes_read"])))


def ipc_chain(results):
    rows = sorted(near(results, "chains"), key=lambda row: (row["bytes"], row["bytes_read"], row["services"]))
    return by_policy(rows, ["bytes", "read", "services"],
                     lambda row: (size_text(row["bytes"]), row["touch"], str(row["services"])))


def ipc_wide(results):
    """Instructions, and what is told to other CPUs."""
    body = []
    for row in near(results, "wide", cpus="cross"):
        counts = [number(row[name]) for name in ("tlbi_local", "tlbi_broadcast", "tlbi_queued", "tlbi_reissued", "barriers")]
        body.append([size_text(row["bytes"]), row["touch"], f"`{row['policy']}`", number(row["instructions"]), *counts])
    return markdown(["bytes", "read", "", "instructions", "TLBI local", "broadcast", "queued", "reissued", "barriers"], body, 3)


def ipc_crossover(results):
    found = results["crossover"].get("rows, same")
    if not found:
        return ["(not measured)"]
    heads = [key for key in found["by_bytes_read"][0] if key != "bytes"]
    body = [[size_text(row["bytes"]), *[crossing_text(row[head]) or "-" for head in heads]] for row in found["by_bytes_read"]]
    return markdown(["bytes of the message", *[f"bytes read, from which on {head}" for head in heads]], body, 1 + len(heads))


def ipc_crossover_size(results):
    found = results["crossover"].get("rows, same")
    if not found:
        return ["(not measured)"]
    heads = [key for key in found["by_size"][0] if key != "touch"]
    body = [[row["touch"], *[crossing_text(row[head]) or "-" for head in heads]] for row in found["by_size"]]
    return markdown(["read", *[f"size, from which on {head}" for head in heads]], body, 1 + len(heads))


def ipc_price(results):
    found = results["crossover"].get("rows, same", {}).get("price_of_an_invalidation", [])
    body = [[size_text(row["bytes"]), number(row["invalidations"]),
             number(row["instructions"]) if row["instructions"] > 0 else "none: copying is cheaper already"]
            for row in found if row["touch"] == "all"]
    return markdown(["bytes, all read", "invalidations of a message", "further instructions that each may take"], body, 1)


# ---- forward ----

def forward_counts(results):
    body = []
    for row in results["rows"]:
        if (row["cpus"], row["window"], row["directions"]) == (1, 256, "one"):
            body.append([row["title"], row["size"], number(row["instructions"]["lower"]), number(row["register_accesses"]),
                         number(row["tlbi_local"] + row["tlbi_broadcast"]) if row["tlbi_local"] is not None else "-"])
    return markdown(["", "bytes", "instructions of a frame", "device registers", "TLBI"], body, 1)


def forward_readme(results):
    """One way, many frames at once; beside it one at a time."""
    chosen = {(row["title"], row["size"], row["window"]): row for row in results["rows"]
              if (row["cpus"], row["directions"]) == (1, "one")}
    body = []
    for title in dict.fromkeys(row["title"] for row in results["rows"]):
        many = [chosen.get((title, size, 256)) for size in ("60", "1514")]
        single = chosen.get((title, "60", 1))
        if all(many) and single:
            body.append([title, *[number(row["instructions"]["lower"]) for row in many],
                         *[number(row["frames_per_second"]["median"]) for row in many], number(round(single["latency_us"]["median"]))])
    return markdown(["", "instructions, 60 B", "1514 B", "frames/s, 60 B", "1514 B", "one 60 B frame at a time, us"], body, 1)


def forward_rates(results):
    body = []
    for row in results["rows"]:
        if row["cpus"] == 1 and row["directions"] == "one" and row["window"] in (1, 256):
            rate, latency = row["frames_per_second"], row["latency_us"]
            body.append([row["title"], row["size"], row["window"], number(rate["median"]),
                         f"{number(rate['min'])} to {number(rate['max'])}",
                         *[number(round(latency[name])) for name in ("min", "median", "p99")]])
    return markdown(["", "bytes", "window", "frames/s", "spread", "us, least", "median", "p99"], body, 1)


def forward_limits(results):
    body = [[what, limit, reached] for what, limit, reached in forward_report.limit_lines(results["rows"])]
    return markdown(["", "limit", "reached"], body, 3)


TABLES = {"ipc-readme": ("ipc", ipc_readme), "forward-readme": ("forward", forward_readme), "ipc-size": ("ipc", ipc_size), "ipc-call": ("ipc", ipc_call), "ipc-trusted": ("ipc", ipc_trusted),
          "ipc-counts": ("ipc", ipc_counts), "ipc-read": ("ipc", ipc_read), "ipc-chain": ("ipc", ipc_chain),
          "ipc-wide": ("ipc", ipc_wide), "ipc-crossover": ("ipc", ipc_crossover),
          "ipc-crossover-size": ("ipc", ipc_crossover_size), "ipc-price": ("ipc", ipc_price),
          "forward-counts": ("forward", forward_counts), "forward-rates": ("forward", forward_rates),
          "forward-limits": ("forward", forward_limits)}


def names(text):
    return [found[1] for found in MARK.findall(text)]


def fill(text, tables):
    """The text with those of these tables for which it marks a place."""
    unknown = set(names(text)) - set(TABLES)
    if unknown:
        raise SystemExit(f"there is no such table: {', '.join(sorted(unknown))}")
    return MARK.sub(lambda found: found[1] + "\n".join(tables[found[2]]) + "\n" + found[4] if found[2] in tables else found[0], text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[1])
    parser.add_argument("documents", type=pathlib.Path, nargs="+")
    for source in ("ipc", "forward"):
        parser.add_argument(f"--{source}", type=pathlib.Path, metavar="JSON")
    options = parser.parse_args()
    tables = {}
    for name, (source, make) in TABLES.items():
        file = getattr(options, source)
        if file:
            tables[name] = make(json.loads(file.read_text()))
    for document in options.documents:
        document.write_text(fill(document.read_text(), tables))


if __name__ == "__main__":
    main()
