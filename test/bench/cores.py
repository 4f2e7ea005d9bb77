#!/usr/bin/env python3
"""
What a forwarded frame costs with 1, 2 and 4 CPUs, and with how many forwarding threads: instructions of all CPUs for each
frame, the CPUs by turns and in parallel, and frames per second in wall time without a counter. The last depends on how many
CPUs the host has, and is not comparable where it has fewer than the guest: each guest CPU that waits for a turn makes others wait.

    test/bench/cores.py [--sizes 60,1514] [--runs 3] [--combinations 1:1,2:1,2:2,4:1,4:2,4:4]
"""
import argparse
import os
import pathlib
import statistics
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "qemu")]

from building import Build  # noqa: E402
from cost import BOTH, instructions  # noqa: E402
from harness import Machine  # noqa: E402
from traffic import assert_all_arrived, through  # noqa: E402

FRAMES = 40000
CONVERSATIONS = 16


def boot(image, **settings):
    machine = Machine(image, **settings)
    machine.start()
    return machine


def rate(image, cpus, forwarders, size):
    """Frames per second, both ways together, of many conversations."""
    machine = boot(image, cpus=cpus, append=f"forwarders={forwarders}", transport="pci")
    try:
        machine.wait_ready()
        result = through(machine, flow=BOTH, conversations=CONVERSATIONS, window=256 // CONVERSATIONS, stall=20,
                         frames=FRAMES // CONVERSATIONS, warm=100, size=max(size, 72))
        assert_all_arrived(result)
        assert result["reordered"] == 0
        return result["frames_per_second"]
    finally:
        machine.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--sizes", default="60,1514")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--combinations", default="1:1,2:1,2:2,4:1,4:2,4:4", metavar="CPUS:FORWARDERS,...")
    options = parser.parse_args()
    image = Build().image("switch")
    print(f"{os.cpu_count()} CPUs of the host; both ways, window 256; parallel and frames/s: medians of {options.runs} runs")
    print(f"{'bytes':>5} {'CPUs':>5} {'forwarders':>10} {'by turns':>9} {'parallel':>9} {'(least)':>8} {'frames/s':>9}")
    for size in map(int, options.sizes.split(",")):
        for combination in options.combinations.split(","):
            cpus, forwarders = map(int, combination.split(":"))
            turns = instructions(boot, image, cpus, forwarders, size, BOTH, parallel=False)
            parallel = [instructions(boot, image, cpus, forwarders, size, BOTH, parallel=True) for _ in range(options.runs)]
            rates = [rate(image, cpus, forwarders, size) for _ in range(options.runs)]
            print(f"{size:5} {cpus:5} {forwarders:10} {turns:9.0f} {statistics.median(parallel):9.0f} {min(parallel):8.0f} "
                  f"{statistics.median(rates):9,.0f}", flush=True)


if __name__ == "__main__":
    main()
