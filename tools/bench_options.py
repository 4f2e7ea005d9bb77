"""The options of ./baton bench: some for all measurements, the rest each for one, and a mistake with any other."""
import argparse

from tools import bench_ipc_cases as ipc
from tools import spoil

IPC = ["policy", "kind", "bytes", "touch", "services", "part", "full"]
FORWARD = ["appliance", "sizes", "windows", "directions", "runs", "seconds", "versus", "throughput"]
STATIONS = ["write"]
OWN = {"ipc": IPC, "forward": FORWARD, "stations": STATIONS}
SMALLEST, LARGEST = 60, 1514
# What forward measures when nothing is said: by itself, and beside others, each of which takes as long as Baton
ALONE = {"sizes": ["60", "512", "1514", "imix"], "windows": [1, 32, 256], "directions": ["one", "both"], "cpus": [1, 2, 4]}
BESIDE = {"sizes": ["60", "1514"], "windows": [1, 256], "directions": ["one"], "cpus": [1]}


def number(low, high, kind=int):
    def check(text):
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} is not a number from {low} to {high}")
        return value
    return check


def several(check):
    """Of `1,32,256`: a list without repetitions."""
    def split(text):
        return list(dict.fromkeys(check(word) for word in text.split(",")))
    return split


def one_of(*words):
    def check(text):
        if text not in words:
            raise argparse.ArgumentTypeError(f"{text} is none of {', '.join(words)}")
        return text
    return check


def size(text):
    return text if text == "imix" else str(number(SMALLEST, LARGEST)(text))


def add(parser):
    parser.add_argument("names", metavar="NAME", nargs="*",
                        help="which measurements: ipc, forward, stations, small (without one: all there are)")
    parser.add_argument("--json", metavar="FILE", help="write what was measured to a file")
    parser.add_argument("--plot", metavar="FOLDER",
                        help="draw it, as SVG files in this folder; python3-matplotlib is installed for that when it is missing")
    parser.add_argument("--placement", choices=["isolated", "trusted"], help="of the services")
    parser.add_argument("--cpus", type=several(number(1, 8)), metavar="N[,N...]",
                        help="1 to 8. ipc: how many (2; 1: nothing across CPUs). forward: one measurement with each (1,2,4)")
    parser.add_argument("--spoil", choices=spoil.KINDS,
                        help="has a message or a frame mistreated, to show that there is no figure then")
    add_ipc(parser.add_argument_group(
        "ipc: what a message costs; when nothing is said, what takes a few minutes; of what is said, all"))
    add_forward(parser.add_argument_group("forward: what a forwarded frame costs"))
    group = parser.add_argument_group("stations: where the instructions of a forwarded frame go")
    group.add_argument("--write", action="store_true", default=None, help="put what was measured into docs/stations.md")
    boot = parser.add_argument_group("build and boot")
    boot.add_argument("--memory", type=number(64, 3072), default=512, metavar="MIB", help="64 to 3072 (512)")
    boot.add_argument("--board", choices=["virt"], default="virt", help="instructions are counted there only")
    boot.add_argument("--libc", choices=["picolibc", "newlib"], default="picolibc", help="as for build")
    boot.add_argument("--toolchain", choices=["linux-gnu", "none-elf", "clang"], default="linux-gnu", help="as for build")


def add_ipc(group):
    group.add_argument("--full", action="store_true", default=None,
                       help="all sizes, placements and policies, one way and there and back, chains of 1 to 8: 2368 cases, a third of an hour")
    group.add_argument("--part", action="append", choices=list(ipc.PARTS),
                       help="; ".join(f"{name}: {text}" for name, text in ipc.PARTS.items()) + "; repeatable, as all that follow")
    group.add_argument("--policy", action="append", choices=ipc.POLICIES, help="how pages are unmapped")
    group.add_argument("--kind", action="append", choices=ipc.KINDS)
    group.add_argument("--bytes", action="append", type=int, choices=ipc.SIZES)
    group.add_argument("--touch", action="append", choices=ipc.TOUCHES, help="what the receiver reads")
    group.add_argument("--services", type=several(number(1, ipc.STAGES)), metavar="N[,N...]", help="length of the chains, 1 to 8")


def add_forward(group):
    group.add_argument("--appliance", choices=["switch", "router"], help="what forwards (switch)")
    group.add_argument("--sizes", type=several(size), metavar="S[,S...]",
                       help=f"bytes of a frame, {SMALLEST} to {LARGEST}, or imix (60,512,1514,imix)")
    group.add_argument("--windows", type=several(number(1, 4096)), metavar="W[,W...]",
                       help="frames that may be under way at once (1,32,256)")
    group.add_argument("--directions", type=several(one_of("one", "both")), metavar="D[,D]",
                       help="frames in at net0 and out at net1, or the other way too (one,both)")
    group.add_argument("--runs", type=number(1, 100), metavar="N", help="of each case; the median is shown (3)")
    group.add_argument("--seconds", type=number(0.1, 600, float), metavar="S",
                       help="length of a run (0.4), or of a trial of --throughput (2)")
    group.add_argument("--versus", action="append", choices=["linux", "dpdk"],
                       help="beside it, in turns, on the same machine: Debian's kernel as bridge and as router; DPDK's testpmd. "
                            "Repeatable. Then sizes are 60,1514, windows 1,256, directions one, CPUs 1, unless said")
    group.add_argument("--throughput", action="store_true", default=None,
                       help="instead: the highest rate without loss (RFC 2544), for each size")


def chosen(options, name):
    return getattr(options, name) or (BESIDE if options.versus else ALONE)[name]


def check(options, names):
    """What is wrong with the choice: an option of a measurement that was not asked for, or one that says nothing; else None."""
    for owner, own in OWN.items():
        for name in own:
            if owner not in names and getattr(options, name) is not None:
                return f"--{name} goes with {owner}"
    if options.throughput and (options.windows or options.runs):
        return "--throughput has neither windows nor runs: it sends at a rate"
    return None
