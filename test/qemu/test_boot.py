"""The image boots on every machine that interface.md promises, says who it is, and forwards; or says why it cannot."""
import re
import shutil
import struct
import subprocess

import pytest

from harness import MachineError, RAM_BASE
from naming import named
from traffic import assert_all_arrived, assert_pages_conserved, through

# cpus, gic, EL2, MiB, modern, CPU model: each pair of values occurs together at least once.
MATRIX = [
    (1, 2, False, 64, True, "cortex-a72"),
    (1, 3, True, 512, False, "max"),
    (1, 3, False, 3072, True, "cortex-a72"),
    (2, 3, False, 64, False, "max"),
    (2, 2, True, 512, True, "cortex-a72"),
    (2, 3, True, 3072, True, "max"),
    (4, 2, True, 3072, False, "cortex-a72"),
    (4, 3, False, 512, True, "max"),
    (4, 3, True, 64, True, "cortex-a72"),
    (8, 2, False, 3072, True, "max"),
    (8, 3, True, 64, False, "cortex-a72"),
    (8, 3, False, 512, True, "cortex-a72"),
]


def matrix_name(row):
    cpus, gic, el2, memory, modern, cpu = row
    return f"{cpus}cpu-gicv{gic}-{'el2' if el2 else 'el1'}-{memory}m-{'modern' if modern else 'legacy'}-{cpu}"


def assert_first_line(machine, cpus):
    lines = [line for line in machine.console_text().split("\n") if line.strip()]
    assert re.fullmatch(rf"Baton \S+ \(\S+\) switch on virt, {cpus} CPUs?\b.*", lines[0]), f"first line: {lines[0]!r}"


@named("boot-{id}")
@pytest.mark.parametrize("row", [pytest.param(row, id=matrix_name(row)) for row in MATRIX])
def test_matrix(boot, switch, row):
    cpus, gic, el2, memory, modern, cpu = row
    machine = boot(switch, cpus=cpus, gic=gic, virtualization=el2, memory=memory, modern=modern, cpu=cpu)
    machine.wait_ready()
    assert_first_line(machine, cpus)
    before = machine.quiet_stats()
    assert before["cpus"] == cpus and before["appliance"] == "switch" and before["board"] == "virt"
    assert_all_arrived(through(machine, frames=2000, size="60,512,1514"))
    assert_pages_conserved(before, machine.quiet_stats(before))
    machine.halt()


@named("boot-under-u-boot-{transport}")
@pytest.mark.parametrize("transport", ["mmio", "pci"])
def test_u_boot(boot, switch, tmp_path, transport):
    """With pci, U-Boot has given bus numbers and addresses to everything before."""
    (tmp_path / "boot.cmd").write_text("load virtio 0:1 ${kernel_addr_r} Image\n"
                                       "booti ${kernel_addr_r} - ${fdtcontroladdr}\n")
    disk = tmp_path / "disk"
    with open(disk, "wb") as file:  # a partition table with one entry: FAT32, from sector 2048 on
        file.write(bytes(446) + struct.pack("<8B2I", 0x80, 0, 0, 0, 12, 0, 0, 0, 2048, 129024) + bytes(48) + b"\x55\xaa")
        file.truncate(64 << 20)
    shutil.copy(switch, tmp_path / "Image")
    for command in (["mkimage", "-A", "arm64", "-T", "script", "-d", "boot.cmd", "boot.scr"],
                    ["mkfs.vfat", "--offset=2048", str(disk), str(129024 // 2)],
                    ["mcopy", "-i", f"{disk}@@1M", "Image", "boot.scr", "::"]):
        subprocess.run(command, cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    machine = boot(switch, cpus=2, transport=transport, bios="/usr/lib/u-boot/qemu_arm64/u-boot.bin", extra=[
        "-drive", f"if=none,id=disk,format=raw,file={disk}", "-device", "virtio-blk-device,drive=disk"])
    machine.wait_ready()
    machine.wait_for(r"^Baton \S+ \(\S+\) switch on virt, 2 CPUs\b")
    assert_all_arrived(through(machine, frames=2000, size="60,1514"))
    machine.halt()


# ---- Machines on which it must not come up ----

def assert_refused(machine, pattern):
    """A clear message, and no appliance that half works."""
    machine.wait_for(pattern)
    with pytest.raises(MachineError):
        machine.wait_for(r"^ready:", 2)


@named("boot-refused-without-nic")
def test_no_nic(boot, switch):
    machine = boot(switch, nics=0)
    assert_refused(machine, r"(?i)\bno (NIC|network interface)")


@named("boot-refused-without-memory")
def test_no_memory(boot, switch):
    """The IPC region asked for is larger than the machine."""
    assert_refused(boot(switch, memory=64, append="ipc=1024"), r"(?i)(memory|ipc)")


def raw_boot(boot, image, folder, tree, cpus=1, **machine):
    """
    Enters the image as a boot loader would, with a device tree that QEMU has had no chance to mend: a few
    instructions at the end of the first 128 MiB set x0 and jump.
    """
    kernel_at, tree_at, start_at = RAM_BASE + 0x200000, RAM_BASE + 0x7000000, RAM_BASE + 0x7f00000
    (folder / "tree").write_bytes(tree)
    # ldr x0, tree; ldr x4, kernel; nop; br x4
    (folder / "start").write_bytes(struct.pack("<4I2Q", 0x58000080, 0x580000a4, 0xd503201f, 0xd61f0080, tree_at,
                                               kernel_at))
    loads = [("start", start_at), ("tree", tree_at)]
    extra = ["-device", f"loader,file={image},addr={kernel_at:#x},force-raw=on"]
    for name, address in loads:
        extra += ["-device", f"loader,file={folder / name},addr={address:#x},force-raw=on"]
    extra += ["-device", f"loader,addr={start_at:#x},cpu-num=0"]
    return boot(image, cpus=cpus, raw=True, extra=extra, **machine)


def virt_tree(folder, cpus=1):
    """The device tree that QEMU would give a plain machine with two NICs, as a file."""
    path = folder / "virt.dtb"
    subprocess.run(["qemu-system-aarch64", "-M", f"virt,gic-version=3,dumpdtb={path}", "-cpu", "cortex-a72", "-smp",
                    str(cpus), "-m", "512", "-nodefaults", "-display", "none"], check=True, stderr=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL)
    subprocess.run(["dtc", "-q", "-I", "dtb", "-O", "dtb", "-o", str(folder / "small.dtb"), str(path)], check=True)
    return folder / "small.dtb"


@named("boot-raw-with-whole-device-tree")
def test_whole_tree(boot, switch, tmp_path):
    """The way of the next tests works when nothing is broken."""
    machine = raw_boot(boot, switch, tmp_path, virt_tree(tmp_path, 2).read_bytes(), cpus=2)
    machine.wait_ready()
    assert_first_line(machine, 2)


BREAKS = {
    "no-memory": (["/memory@40000000"], r"(?i)memory"),
    "no-interrupt-controller": (["/intc@8000000"], r"(?i)(interrupt controller|GIC)"),
    "no-timer": (["/timer"], r"(?i)timer"),
}


@named("boot-refused-device-tree-{what}")
@pytest.mark.parametrize("what", BREAKS)
def test_broken_tree(boot, switch, tmp_path, what):
    nodes, message = BREAKS[what]
    tree = virt_tree(tmp_path)
    for node in nodes:
        subprocess.run(["fdtput", "-r", str(tree), node], check=True)
    assert_refused(raw_boot(boot, switch, tmp_path, tree.read_bytes()), message)


def put(tree, node, name, *cells):
    subprocess.run(["fdtput", "-t", "x", str(tree), node, name, *cells], check=True)


NONSENSE = {
    "initrd-nowhere": ([("/chosen", "linux,initrd-start", "1000"), ("/chosen", "linux,initrd-end", "2000")],
                       r"initrd .* is not in memory"),
    "interrupt-out-of-range": ([("/pl011@9000000", "interrupts", "0", "ffffffe1", "4")], r"UART has no interrupt"),
}


@named("boot-refused-device-tree-{what}")
@pytest.mark.parametrize("what", NONSENSE)
def test_nonsense_tree(boot, switch, tmp_path, what):
    values, message = NONSENSE[what]
    tree = virt_tree(tmp_path)
    for value in values:
        put(tree, *value)
    assert_refused(raw_boot(boot, switch, tmp_path, tree.read_bytes()), message)


@named("boot-memory-named-twice")
def test_memory_twice(boot, switch, tmp_path):
    """Memory that two nodes name is there once; a reservation beyond the end of all addresses takes nothing else."""
    tree = virt_tree(tmp_path)
    for node in ("/memory@48000000", "/reserved-memory", "/reserved-memory/far"):
        subprocess.run(["fdtput", "-c", str(tree), node], check=True)
    subprocess.run(["fdtput", "-t", "s", str(tree), "/memory@48000000", "device_type", "memory"], check=True)
    put(tree, "/memory@48000000", "reg", "0", "48000000", "0", "8000000")
    put(tree, "/reserved-memory", "#address-cells", "2")
    put(tree, "/reserved-memory", "#size-cells", "2")
    put(tree, "/reserved-memory/far", "reg", "ffffffff", "0", "ffffffff", "0")
    machine = raw_boot(boot, switch, tmp_path, tree.read_bytes())
    machine.wait_ready()
    assert ", 512 MiB" in machine.console_text().split("\n")[0]
    pages = machine.stats()["pages"]
    assert pages["free"] + pages["owned"] + pages["in_flight"] == pages["total"] == 16384


@named("boot-memory-of-others-gicv{gic}")
@pytest.mark.parametrize("gic", [2, 3])
def test_memory_of_others(boot, switch, gic):
    """The tree of a machine with a secure world names its RAM too, with a status that says that it is not for us."""
    machine = boot(switch, options=",secure=on", gic=gic, cpus=2, memory=128, transport="pci").wait_ready()
    assert ", 128 MiB" in machine.console_text().split("\n")[0]
    assert_all_arrived(through(machine, frames=200, window=1))
    machine.halt()


@named("boot-refused-device-tree-{what}")
@pytest.mark.parametrize("what", ["cut-short", "not-one", "offsets-outside"])
def test_damaged_tree(boot, switch, tmp_path, what):
    tree = bytearray(virt_tree(tmp_path).read_bytes())
    if what == "cut-short":
        tree[len(tree) // 2:] = bytes(len(tree) - len(tree) // 2)
    elif what == "not-one":
        tree = bytearray(b"not a tree" * 1000)
    else:
        struct.pack_into(">I", tree, 8, 0x7fffffff)
    assert_refused(raw_boot(boot, switch, tmp_path, bytes(tree)), r"(?i)device tree")
