#!/usr/bin/env python3
"""
Where the instructions of a forwarded frame go: boots an appliance under the instruction counter (tools/native/insn.c),
forwards frames, and prints instructions per frame and function.

    test/bench/hot.py [--appliance switch] [--cpus 1] [--size 60] [--routed 4|6] [--frames 10000] [--flow 0:1] [--append TEXT]
                      [--lines 40] [--function NAME]

With several CPUs there is a column for all, and then one for each. --function prints the addresses of one function with their
counts instead.
"""
import argparse
import bisect
import collections
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "qemu")]

from building import Build, insn_plugin  # noqa: E402
from harness import Machine  # noqa: E402
from traffic import through  # noqa: E402


# The stations of the generator (tools/native/generator.c, --routed).
ROUTER = "".join(f"""\
interface net{n} 10.0.{n}.1/24
interface net{n} 2001:db8:{n}::1/64
neighbor 10.0.{n}.2 02:00:00:00:00:0{n + 1} net{n}
neighbor 2001:db8:{n}::2 02:00:00:00:00:0{n + 1} net{n}
""" for n in range(2))


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
    """Address to counts, one for each vCPU."""
    connection = machine.connect("plugin").makefile("rw")
    connection.write("p")
    connection.flush()
    counts = {}
    for line in connection:
        if not line.strip():
            return counts
        address, *vcpus = line.split()
        counts[int(address, 16)] = [int(count) for count in vcpus]
    return counts


def measure(options):
    """Counts per address and vCPU, over options.frames frames of each flow; and how many frames that were."""
    build = Build()
    plugin = f"{insn_plugin()},profile=on"
    traffic = {"flow": options.flow or ["0:1"], "size": options.size, "window": options.window}
    if options.conversations:
        traffic["conversations"] = options.conversations
    settings = {"cpus": options.cpus, "icount": options.icount, "plugin": plugin, "transport": "pci",
                "append": options.append}
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        if options.routed:
            traffic |= {"routed": options.routed, "router": [f"52:54:00:00:00:0{n}" for n in (1, 2)]}
            settings["initrd"] = file.name
            file.write(ROUTER)
            file.flush()
        return count(Machine(build.image(options.appliance), **settings), options, traffic)


def count(machine, options, traffic):
    try:
        machine.start()
        machine.wait_ready()
        if options.routed:
            machine.wait_for(r"routing between")
        through(machine, frames=1000, **traffic)
        before = profile(machine)
        result = through(machine, frames=options.frames, linger=0, count=machine.folder / "plugin", **traffic)
        after = profile(machine)
        moved = machine.stats()["services"]
    finally:
        machine.kill()
    print(f"{result['instructions_per_frame']:.1f} instructions per frame of {options.size} bytes, "
          f"{result['frames_per_second']:.0f} frames/s with the counter; by function, learning and idling included:")
    none = [0] * options.cpus
    print(*(f"{row['name']} on CPU {row['cpu']}" for row in moved), sep=", ")
    counts = {address: [new - old for new, old in zip(row[:options.cpus], before.get(address, none))]
              for address, row in after.items()}
    return counts, result["received"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--appliance", default="switch")
    parser.add_argument("--cpus", type=int, default=1, help="at most 7 are told apart")
    parser.add_argument("--size", type=int, default=60)
    parser.add_argument("--frames", type=int, default=10000)
    parser.add_argument("--window", type=int, default=256)
    parser.add_argument("--conversations", type=int, help="of each flow, by addresses and ports (frames of 72 bytes and more)")
    parser.add_argument("--flow", action="append", metavar="A:B")
    parser.add_argument("--icount", default="shift=0,sleep=off")
    parser.add_argument("--append", default="")
    parser.add_argument("--routed", type=int, choices=[4, 6], help="what lies between routes IPv4 or IPv6")
    parser.add_argument("--lines", type=int, default=40)
    parser.add_argument("--function")
    options = parser.parse_args()
    counts, frames = measure(options)
    table = symbols(Build().tree("virt"), options.appliance)
    addresses = [address for address, _ in table]
    sums = collections.defaultdict(lambda: [0] * options.cpus)
    for address, row in sorted(counts.items()):
        place = bisect.bisect_right(addresses, address) - 1
        name = table[place][1] if place >= 0 else "?"
        sums[name] = [a + b for a, b in zip(sums[name], row)]
        if name == options.function and any(row):
            print(f"{address:16x} {columns(row, frames)}")
    if not options.function:
        print(f"{columns(map(sum, zip(*sums.values())), frames)}  all")
        for name, row in sorted(sums.items(), key=lambda item: -sum(item[1]))[:options.lines]:
            print(f"{columns(row, frames)}  {name}")


def columns(row, frames):
    """The sum, then for each CPU, for each frame."""
    row = list(row)
    return " ".join(f"{count / frames:8.2f}" for count in ([sum(row)] + row if len(row) > 1 else row))


if __name__ == "__main__":
    main()
