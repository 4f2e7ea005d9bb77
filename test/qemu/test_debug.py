"""The commands that `./baton debug` adds to gdb, on a guest that was stopped in the middle of its work."""
import re
import subprocess
import time

from building import ROOT
from harness import LIMIT
from naming import named

FRAME = bytes([2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 0x88, 0xb5]) + bytes(range(186))


def gdb(machine, elf, *commands):
    # A guest that is stopped at its entry says nothing by which we could know that QEMU listens; without, gdb shows the file's zeros.
    end = time.monotonic() + LIMIT
    while not (machine.folder / "gdb").exists() and time.monotonic() < end:
        time.sleep(0.02)
    words = ["gdb-multiarch", "-q", "-batch", "-nx", "-ex", "set confirm off", "-ex",
             f"target remote {machine.folder / 'gdb'}", "-ex", f"source {ROOT / 'tools/gdb/baton.py'}"]
    for command in commands:
        words += ["-ex", f"echo == {command}\\n", "-ex", command]
    done = subprocess.run([*words, elf], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=250)
    parts = re.split(r"^== (.*)\n", done.stdout, flags=re.MULTILINE)
    assert not re.search("No such file|could not connect", done.stdout, re.IGNORECASE), done.stdout
    assert done.returncode == 0 and "Traceback" not in done.stdout and "Error" not in done.stdout, done.stdout
    return dict(zip(parts[1::2], parts[2::2]))


@named("debug-helpers")
def test_helpers(boot, switch):
    machine = boot(switch, cpus=2, extra=["-gdb", "unix:{folder}/gdb,server=on,wait=off"])
    machine.wait_ready()
    port = machine.port(0)
    port.send(FRAME)
    assert machine.port(1).receive() == FRAME
    pages = machine.quiet_stats()["pages"]
    answers = gdb(machine, switch.with_suffix(".elf"), "baton", "baton services", "baton spaces", "baton ports", "baton threads",
                  "baton pages", "baton page 0", "baton page 0x4000001000", f"baton page {pages['total']}", "baton page x")

    assert "baton page N" in answers["baton"]
    assert re.search(r"^forward +isolated +running +0 +\d+ +1 +1$", answers["baton services"], re.MULTILINE)
    assert re.search(r"^net0 +trusted +running +0 +0 +", answers["baton services"], re.MULTILINE)
    assert re.search(r"^1 \(forward\) +0x[0-9a-f]+ +\d+ +[01]{8} +0 +256$", answers["baton spaces"], re.MULTILINE)
    assert re.search(r"^forward +forward +0 +1024 +0 +1 +0 +open$", answers["baton ports"], re.MULTILINE)
    assert re.search(r"^\d+ +net1 +net1 +1 +parked", answers["baton threads"], re.MULTILINE)
    assert re.search(rf"^{pages['free']} +free$", answers["baton pages"], re.MULTILINE), answers["baton pages"]
    assert re.search(rf"^{pages['in_flight']} +space 0 \(kernel\)$", answers["baton pages"], re.MULTILINE)
    assert re.search(r"^page 0: frame 0x[0-9a-f]+, address 0x4000000000\n  (owner: space|free)", answers["baton page 0"])
    assert answers["baton page 0x4000001000"].startswith("page 1: ")
    for wrong in (f"baton page {pages['total']}", "baton page x"):
        assert "takes the number of a page" in answers[wrong]
    machine.halt()  # gdb has let it run again


@named("debug-helpers-before-boot")
def test_before_boot(boot, switch):
    machine = boot(switch, cpus=1, extra=["-S", "-gdb", "unix:{folder}/gdb,server=on,wait=off"])
    answers = gdb(machine, switch.with_suffix(".elf"), "baton ports", "baton pages", "baton page 0")
    assert all("early" in text for text in answers.values()), answers
