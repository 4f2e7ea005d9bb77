#!/usr/bin/env python3
"""
What the ledger costs while it is off: forwards frames under the instruction counter (insn.c), and counts the instructions
that the compiler made of notes (core/ledger.h) among all that were executed. That is exact, while two images, one with and
one without notes, differ less than two runs of one image do: how many frames go in a batch is the host's doing.

    test/bench/ledger_cost.py [--appliance switch] [--size 1514] [--frames 10000] [--sites]
"""
import argparse
import collections
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "qemu")]

from building import Build  # noqa: E402
from hot import measure  # noqa: E402

NOTES = ("ledger_note", "ledger_noting", "ledger_of", "ledger_record", "note_call", "note_taken")


def statement(path, line, files={}):
    """True when the line is part of a statement that notes something: its arguments are made there."""
    if path not in files:
        files[path] = path.read_text().split("\n") if path.is_file() else []
    lines = files[path][max(0, line - 4):line]
    text = re.split(r"[;{}]", "\n".join(lines))[-1] if not re.search(r"[;{}]\s*$", lines[-1] if lines else "") else \
        re.split(r"[;{}]", "\n".join(lines).rstrip().rstrip(";{}"))[-1]
    return re.search(r"\bledger_note(_pages)?\(", text) is not None


def sites(elf, addresses):
    """Those of the addresses that are part of a note, and the functions that they are in."""
    asked = "\n".join(f"{address:#x}" for address in addresses)
    answer = subprocess.run(["aarch64-linux-gnu-addr2line", "-aifpe", elf], input=asked, text=True, check=True,
                            stdout=subprocess.PIPE).stdout
    found, notes, loads, address = {}, set(), set(), None
    for text in answer.split("\n"):
        match = re.match(r"(0x[0-9a-f]+): (.*)", text)
        address, text = (int(match.group(1), 16), match.group(2)) if match else (address, text)
        frame = re.match(r"(?: \(inlined by\) )?(\S+) at ([^:]+):(\d+)", text)
        if not frame:
            continue
        found[address] = frame.group(1)  # in the end the function that all of it is inlined into
        if frame.group(1) in NOTES or statement(pathlib.Path(frame.group(2)), int(frame.group(3))):
            notes.add(address)
        if frame.group(1) == "ledger_of":
            loads.add(address)
    # The branch on what was loaded is the caller's, for the debugger; it is there all the same.
    notes |= {address + 4 for address in loads if address + 4 in found}
    return {address: found[address] for address in notes}


def cost(appliance="switch", size=1514, frames=10000, append=""):
    """(instructions of notes, all instructions) for each frame, and the sites with theirs."""
    options = argparse.Namespace(appliance=appliance, size=size, frames=frames, append=append, cpus=1, window=256, flow=None,
                                 conversations=None, routed=None, icount="shift=0,sleep=off")
    rows, frames = measure(options)
    counts = {address: row[0] for address, row in rows.items() if row[0]}
    notes = sites(Build().tree("virt") / f"{appliance}.elf", sorted(counts))
    where = collections.Counter()
    for address, name in notes.items():
        where[name] += counts[address] / frames
    return sum(where.values()), sum(counts.values()) / frames, where


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--appliance", default="switch")
    parser.add_argument("--size", type=int, default=1514)
    parser.add_argument("--frames", type=int, default=10000)
    parser.add_argument("--sites", action="store_true", help="where they are")
    options = parser.parse_args()
    notes, whole, where = cost(options.appliance, options.size, options.frames)
    print(f"the ledger, off: {notes:.2f} of {whole:.0f} instructions for a frame of {options.size} bytes: "
          f"{100 * notes / whole:.2f} %")
    for name, count in where.most_common() if options.sites else []:
        print(f"{count:9.2f}  {name}")


if __name__ == "__main__":
    main()
