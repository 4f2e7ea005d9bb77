"""
Instructions of a forwarded frame by station of its way, on one CPU, isolated and trusted: ./baton bench stations. With --write the
table of docs/stations.md becomes what was measured; test/qemu/test_stations.py holds later images against it.
"""
import re
import socket

from tools import baton_guest, rig, stations, trial
from tools.common import ROOT, BUILD

NAME, TEXT = "stations", "where the instructions of a forwarded frame go"
DOCUMENT = ROOT / "docs" / "stations.md"
COLUMNS = [(appliance, placement, size) for appliance in ("switch", "router") for placement in ("isolated", "trusted")
           for size in (60, 1514)]
WARM, FRAMES = 1000, 10000
RUNS, RUNS_MOST, ALIKE = 4, 20, 0.015  # until the two with the fewest instructions are that much alike
CALLS = ("calls", "")  # among functions: calls of services, for each frame
BEGIN, END = "<!-- measured -->\n", "<!-- end -->\n"


def marked(counter):
    """Instructions by address between the generator's two looks at the counter, by its socket's path."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(counter))
        connection.sendall(b"d")
        found = {}
        for line in connection.makefile():
            words = line.split()
            if not words:
                return found
            found[int(words[0], 16)] = sum(map(int, words[1:]))
    return found


def once(one, image, size):
    """One run: instructions a frame of each (function, file)."""
    result, _, _ = trial.run(one, size, "one", window=256, warm=WARM, frames=WARM + FRAMES, count=one.counter)
    counts = marked(one.counter)
    functions = {key: count / result["frames_counted"] for key, count in image.sums(counts).items()}
    return {**functions, CALLS: counts.get(image.address("trap_service_call"), 0) / result["frames_counted"]}


def by_station(functions):
    sums = dict.fromkeys(stations.NAMES, 0)
    for key, count in functions.items():
        if key != CALLS:
            sums[stations.station_of(*key)] += count
    return {**sums, "all": sum(sums.values()), "calls": functions[CALLS]}


def lowest(run):
    """
    Of each function the fewest instructions of several runs: how full the batches are depends on how quick the generator was, and less than
    full ones cost more. So on a busy host more runs are made, until two are as good as each other.
    """
    runs = []
    while len(runs) < RUNS or (len(runs) < RUNS_MOST and sum(runs[1].values()) > (1 + ALIKE) * sum(runs[0].values())):
        runs = sorted([*runs, run()], key=lambda functions: sum(functions.values()))
    return {key: min(functions.get(key, 0) for functions in runs) for key in runs[0]}


def profile(columns, preset):
    """{column: {(function, file): instructions a frame}}."""
    found = {}
    for appliance, placement in dict.fromkeys(column[:2] for column in columns):
        guest = baton_guest.Baton(appliance, placement, preset)
        guest.prepare()
        image = stations.Image(BUILD / preset, appliance, ROOT)
        one = rig.Rig(guest, 1, counting=True, profile=True)
        try:
            one.single(True)  # the guest slow beside the generator, so that batches are full on a busy host too
            for column in columns:
                if column[:2] == (appliance, placement):
                    found[column] = lowest(lambda size=column[2]: once(one, image, size))
        finally:
            one.close()
    return found


# ---- The table ----

def table(found):
    """Rows of cells, of what profile() found: a row for each station, and all of them."""
    columns = list(found)
    sums = {column: by_station(found[column]) for column in columns}
    rows = [[name, *[f"{sums[column][name]:.1f}" for column in columns]] for name in [*stations.NAMES, "all"]]
    return columns, rows + [["calls", *[f"{sums[column]['calls']:.4f}" for column in columns]]]


def markdown(found):
    columns, rows = table(found)
    head = ["station", *[" ".join(map(str, column)) for column in columns]]
    lines = [head, ["---", *["---:"] * len(columns)], *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def read(text):
    """The table of a document: {column: {station: instructions}}."""
    lines = [[cell.strip() for cell in line.strip().strip("|").split("|")]
             for line in text.split(BEGIN)[1].split(END)[0].splitlines()]
    columns = [(words[0], words[1], int(words[2])) for words in (cell.split() for cell in lines[0][1:])]
    return {column: {row[0]: float(row[1 + place]) for row in lines[2:]} for place, column in enumerate(columns)}


def write(found):
    text = DOCUMENT.read_text()
    before, rest = text.split(BEGIN)
    DOCUMENT.write_text(before + BEGIN + markdown(found) + END + rest.split(END)[1])


# ---- Later images against it ----

SHARE, LEAST = 0.10, 3  # dearer by more than this share, and by more than so many instructions
ONCE_A_BATCH = ["pools", "traps, scheduling", "interrupts, timer, idle", stations.OTHERS]


def dearer(committed, found):
    """What has become dearer than the committed table allows: a line for each, with the station's functions."""
    faults = []
    for column, functions in found.items():
        now = by_station(functions)
        batches = max(1, now["calls"] / committed[column]["calls"])  # smaller ones than when the table was made: more of them
        for station in stations.NAMES:
            before = committed[column][station] * (batches if station in ONCE_A_BATCH else 1)
            if now[station] - before > max(SHARE * before, LEAST):
                parts = sorted(((key[0], part) for key, part in functions.items()
                                if key != CALLS and stations.station_of(*key) == station), key=lambda item: -item[1])
                faults.append(f"{' '.join(map(str, column))}: station {station}: {now[station]:.1f} instructions a frame, "
                              f"{before:.1f} by docs/stations.md" + "".join(f"; {name} {part:.1f}" for name, part in parts[:8]))
    return faults


def measure(options, preset):
    columns = [column for column in COLUMNS if options.placement in (None, column[1])]
    found = profile(columns, preset)
    for line in markdown(found).splitlines():
        if not re.match(r"\| -", line):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            print(f"{cells[0]:26}" + "".join(f"{cell:>23}" for cell in cells[1:]))
    if options.write:
        write(found)
    return False, {"rows": [{"appliance": column[0], "placement": column[1], "size": column[2], "stations": by_station(functions),
                             "functions": {f"{name} ({file})": count for (name, file), count in functions.items()}}
                            for column, functions in found.items()]}
