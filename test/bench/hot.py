#!/usr/bin/env python3
"""
Where the instructions of a forwarded frame go: boots an appliance on one CPU under the instruction counter (insn.c),
forwards frames one way, and prints instructions per frame and function.

    test/bench/hot.py [--appliance switch] [--size 60] [--frames 10000] [--append TEXT] [--lines 40] [--function NAME]

--function prints the addresses of one function with their counts instead.
"""
import argparse
import bisect
import collections
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "qemu")]

from building import Build, build_tool  # noqa: E402
from harness import Machine  # noqa: E402
from traffic import through  # noqa: E402


def symbols(tree, appliance):
    """Sorted (address, name) of all functions of the image and of its services."""
    found = []
    for elf in [tree / f"{appliance}.elf", *sorted((tree / "services").glob(f"{appliance}-*.elf"))]:
        listing = subprocess.run(["aarch64-linux-gnu-nm", elf], stdout=subprocess.PIPE, text=True, check=True).stdout
        suffix = "" if elf.stem == appliance else f" [{elf.stem[len(appliance) + 1:]}]"
        for line in listing.splitlines():
            words = line.split()
            if len(words) == 3 and words[1] in "tTwW" and not words[2].startswith("$"):
                found.append((int(words[0], 16), words[2] + suffix))
    return sorted(found)


def profile(machine):
    connection = machine.connect("plugin").makefile("rw")
    connection.write("p")
    connection.flush()
    counts = {}
    for line in connection:
        if not line.strip():
            return counts
        address, count = line.split()
        counts[int(address, 16)] = int(count)
    return counts


def measure(options):
    """Counts per address, over options.frames frames."""
    build = Build()
    plugin = f"{build_tool(HERE / 'insn.c', shared=True)},profile=on"
    machine = Machine(build.image(options.appliance), icount="shift=0,sleep=off", plugin=plugin,
                      append=options.append)
    try:
        machine.start()
        machine.wait_ready()
        through(machine, flow="0:1", frames=1000, size=options.size)
        before = profile(machine)
        result = through(machine, flow="0:1", frames=options.frames, size=options.size, linger=0,
                         count=machine.folder / "plugin")
        after = profile(machine)
    finally:
        machine.kill()
    print(f"{result['instructions_per_frame']:.1f} instructions per frame of {options.size} bytes; "
          "by function, learning and idling included:")
    return {address: count - before.get(address, 0) for address, count in after.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--appliance", default="switch")
    parser.add_argument("--size", type=int, default=60)
    parser.add_argument("--frames", type=int, default=10000)
    parser.add_argument("--append", default="")
    parser.add_argument("--lines", type=int, default=40)
    parser.add_argument("--function")
    options = parser.parse_args()
    counts = measure(options)
    table = symbols(Build().tree("virt"), options.appliance)
    addresses = [address for address, _ in table]
    sums = collections.Counter()
    for address, count in sorted(counts.items()):
        place = bisect.bisect_right(addresses, address) - 1
        name = table[place][1] if place >= 0 else "?"
        sums[name] += count
        if name == options.function and count:
            print(f"{address:16x} {count / options.frames:8.2f}")
    if not options.function:
        for name, count in sums.most_common(options.lines):
            print(f"{count / options.frames:9.1f}  {name}")


if __name__ == "__main__":
    main()
