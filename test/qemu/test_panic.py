"""
A panic: registers, a backtrace with names and the service at fault, from any CPU; and the kernel stack's end.

Nothing that a service or a user can do makes the kernel panic, so the kernel's code is damaged from outside: its memory
is a file shared with QEMU. A function that has not run yet is overwritten, then called.
"""
import re
import struct
import subprocess

import pytest

from harness import MachineError, RAM_BASE
from naming import named

IMAGE_PHYS = RAM_BASE + 0x200000  # where QEMU loads an image: its header's text_offset
UNDEFINED = [0]
# stp x29, x30, [sp, #-256]!; mov x29, sp; bl to the first of the three: frame records, without an end
ENDLESS = [0xA9B07BFD, 0x910003FD, 0x97FFFFFE]


def overwrite(machine, switch, function, words):
    """Puts instructions at the beginning of a kernel function."""
    lines = subprocess.run(["aarch64-linux-gnu-nm", switch.with_suffix(".elf")], stdout=subprocess.PIPE, text=True,
                           check=True).stdout.splitlines()
    addresses = {line.split()[2]: int(line.split()[0], 16) for line in lines}
    at = IMAGE_PHYS - RAM_BASE + addresses[function] - addresses["image_head"]
    struct.pack_into(f"<{len(words)}I", machine.memory_map(), at, *words)


def report(machine, start):
    """The whole report: it ends with the line that names who was at fault."""
    machine.wait_for(r"^panic: .*\n", since=start)
    machine.wait_for(r"^  in service \S+, thread \d+\n", since=start)
    return machine.console_text()[start:]


def assert_dead(machine):
    """No CPU goes on: nobody answers, and no frame is forwarded."""
    start = machine.mark()
    machine.send("stats json")
    machine.port(0).send(bytes([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5]) + bytes(200))
    with pytest.raises(MachineError):
        machine.wait_for(r"\S", 1, start)


@named("panic-in-console")
def test_console(boot, switch):
    machine = boot(switch, cpus=4, shared_memory=True).wait_ready()
    overwrite(machine, switch, "command_trace", UNDEFINED)
    start = machine.mark()
    machine.send("trace")
    text = report(machine, start)
    assert re.search(r"^  on CPU 0$", text, re.MULTILINE)
    assert re.search(r"^  at 0xffffffc0[0-9a-f]{8} command_trace\+0x0$", text, re.MULTILINE)
    assert re.search(r"^  lr 0x[0-9a-f]+ console_command\+0x[0-9a-f]+$", text, re.MULTILINE)
    assert re.search(r"^  by 0x[0-9a-f]+ thread_entry\+0x[0-9a-f]+$", text, re.MULTILINE)
    for register in ("x0 ", "x29", "x30", "sp ", "spsr", "esr"):
        assert re.search(rf"^  .*\b{register} ?[0-9a-f]{{8,16}}", text, re.MULTILINE), register
    assert "in service console," in text
    assert_dead(machine)


@named("panic-on-{cpus}cpu-in-driver-of-another")
@pytest.mark.parametrize("cpus", [2, 4])
def test_other_cpu(boot, switch, cpus):
    machine = boot(switch, cpus=cpus, gic=2 if cpus == 2 else 3, shared_memory=True).wait_ready()
    overwrite(machine, switch, "port_send", UNDEFINED)
    start = machine.mark()
    machine.port(1).send(bytes([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5]) + bytes(200))
    text = report(machine, start)
    assert re.search(r"^  on CPU 1$", text, re.MULTILINE)
    assert re.search(r"^  at 0x[0-9a-f]+ port_send\+0x0$", text, re.MULTILINE)
    assert "in service net1," in text
    assert_dead(machine)


@named("panic-in-system-call")
def test_system_call(boot, switch):
    machine = boot(switch, cpus=2, shared_memory=True).wait_ready()
    overwrite(machine, switch, "batch_fill", UNDEFINED)
    start = machine.mark()
    machine.port(0).send(bytes([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5]) + bytes(46))
    text = report(machine, start)
    assert re.search(r"^  by 0x[0-9a-f]+ service_sync\+0x[0-9a-f]+$", text, re.MULTILINE)
    assert "in service forward," in text
    machine.wait_for(r"^  the service was at 0x[0-9a-f]+ \(lr 0x[0-9a-f]+, sp 0x[0-9a-f]+, isolated\)\n", since=start)


@named("panic-at-the-end-of-the-kernel-stack")
def test_stack(boot, switch):
    machine = boot(switch, cpus=2, shared_memory=True).wait_ready()
    overwrite(machine, switch, "command_trace", ENDLESS)
    start = machine.mark()
    machine.send("trace")
    text = report(machine, start)
    assert "panic: kernel stack overflow" in text
    assert re.search(r"^  by 0x[0-9a-f]+ command_trace\+0x8$", text, re.MULTILINE)
    assert "in service console," in text
