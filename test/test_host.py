"""
The kernel's own objects on the simulated machine of test/host: units, random operations on IPC pages against a reference
model under an adversarial TLB, the same with each seeded fault, with CPUs in the middle of operations, and on real threads.
"""
import os
import pathlib
import re
import subprocess

import pytest

from building import SEEDED_BUILD
from harness import wait_until
from naming import early, long, named, patient
from tools.settled import settled

pytestmark = patient

UNITS = {
    "machine": "test_machine",  # the simulated machine itself finds what it is there to find
    "pages": "test_pages",
    "scrub": "test_scrub",
    "page-set": "test_page_set",
    "copy": "test_copy",
    "mm": "test_mm",
    "kernel-map": "test_kernel_map",
    "ipc": "test_ipc",
    "transfer": "test_transfer",
    "request": "test_request",
    "books": "test_books",
    "core": "test_core",
    "ledger": "test_ledger",
    "string": "test_string",
    "flow": "test_flow",
    "spread": "test_spread",
    "virtqueue": "test_virtqueue",
    "virtio-net": "test_virtio_net",
    "pci": "test_pci",
    "pci-interrupt": "test_pci_interrupt",
    "virtio-pci": "test_virtio_pci",
    "virtio-pci-device": "test_virtio_pci_device",
    "its": "test_its",
}

REACH = r"can reach page \d+, which (it does not own|nobody with its table owns)"
WRITE = r"can write page \d+, which has"

# Which program catches each seeded fault (core/seed.h), with which seed of its own (the number of ASIDs hangs on it), and what
# its oracle says.
SEEDS = {
    "dropped-tlbi": ("ownership_random", 1, f"{REACH}|{WRITE}"),
    "local-tlbi": ("ownership_random", 2, f"{REACH}|{WRITE}"),
    "wrong-asid": ("ownership_random", 3, f"{REACH}|{WRITE}"),
    "missing-dsb": ("interleaved", 2, f"{REACH}|{WRITE}"),
    "early-recycle": ("interleaved", 1, REACH),
    "bitmap-bit": ("interleaved", 3, f"{REACH}|{WRITE}"),
    "downgrade-skipped": ("ownership_random", 1, WRITE),
    "write-early": ("ownership_random", 2, r"can still read page \d+, which \w+ may write again"),
    "pending-lost": ("ownership_random", 1, f"{REACH}|{WRITE}"),
    "rollover-no-flush": ("ownership_random", 1, f"{REACH}|{WRITE}|incorrect mapping|do not belong together"),
    "epoch-early": ("interleaved", 1, f"{REACH}|{WRITE}"),
    "double-release": ("ownership_random", 1, r"release of page \d+ by \w+ is 0, expected"),
    "scrub-skipped": ("ownership_random", 1, r"old bytes 0x\w+ can be read|sends old bytes|page \d+ offset \d+ holds 0x"),
}
SEEDED_OPERATIONS = 10**5


@named("host-{unit}")
@pytest.mark.parametrize("unit", UNITS)
def test_units(build, run_program, unit):
    run_program(build.host(UNITS[unit]))


@named("host-ownership-random-{seed}")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_ownership(build, run_program, seed):
    """A failure prints the seed and the operation. Seeds 1 and 2: fewer ASIDs than tables, so that generations roll over."""
    assert "done: " in run_program(build.host("ownership_random"), 10**6, BATON_RANDOM_SEED=str(seed))


@named("host-ownership-random-long")
@long
@pytest.mark.timeout(3600)
def test_ownership_long(build, run_program):
    for seed in range(1, 11):
        run = {"timeout": 600, "BATON_RANDOM_SEED": str(seed)}
        assert "done: " in run_program(build.host("ownership_random"), 10**7, **run)
        assert "done: " in run_program(build.host("interleaved"), 10**6, **run)


@named("host-interleaved")
def test_interleaved(build, run_program):
    """Kernel operations of four CPUs, each in the middle of its own."""
    for seed in range(1, 4):
        assert "done: " in run_program(build.host("interleaved"), 3 * 10**5, BATON_RANDOM_SEED=str(seed))


@named("host-{what}-threads")
@pytest.mark.parametrize("what", ["port", "pages", "books", "pool"])
def test_threads(build, run_program, what):
    run_program(build.host(f"{what}_threads"))


@named("host-clang")
@early
def test_clang(build, run_program):
    """The other compiler: its warnings are errors too, and its sanitizers see other things."""
    clang = {"CMAKE_C_COMPILER": "clang"}
    for program in UNITS.values():
        run_program(build.host(program, clang))
    run_program(build.host("ownership_random", clang), 2 * 10**5)
    run_program(build.host("interleaved", clang), 10**5)
    run_program(build.host("port_threads", clang), 10**4)
    run_program(build.host("pages_threads", clang), 5 * 10**4)
    run_program(build.host("books_threads", clang), 5 * 10**4)
    run_program(build.host("pool_threads", clang), 5 * 10**4)


@named("seeded-{seed}")
@pytest.mark.parametrize("seed", SEEDS)
def test_seeded(build, run_program, seed):
    """The very same program and sequence: passes as it is, and with the fault ends by the oracle's word, not by a crash."""
    name, sequence, words = SEEDS[seed]
    program = build.host(name, SEEDED_BUILD)
    run_program(program, SEEDED_OPERATIONS, BATON_RANDOM_SEED=str(sequence))
    broken = subprocess.run([program, str(SEEDED_OPERATIONS)], timeout=800,
                            env={**os.environ, "BATON_RANDOM_SEED": str(sequence), "BATON_SEED": seed},
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert broken.returncode == 3, f"the fault was not caught:\n{broken.stdout[-2000:]}"
    said = re.search(r"^oracle: (.*)", broken.stdout, re.MULTILINE)
    assert said and re.search(words, said.group(1)), broken.stdout[-2000:]


@named("host-every-seed-is-tried")
def test_every_seed_is_tried():
    """Each fault of core/seed.h has its test here."""
    header = (pathlib.Path(__file__).parent.parent / "core/seed.h").read_text()
    faults = {name.lower().replace("_", "-") for name in re.findall(r"^    SEED_(\w+),", header, re.MULTILINE)}
    assert faults - {"none"} == set(SEEDS)


@named("host-every-unit-is-run")
def test_every_unit_is_run():
    """A program of units that nobody starts proves nothing."""
    tests = pathlib.Path(__file__).parent
    made = set(re.findall(r"\btest_\w+(?=[ )])", (tests / "host/CMakeLists.txt").read_text()))
    run = set(UNITS.values()) | set(re.findall(r'"(test_\w+)"', (tests / "host/test_apps.py").read_text()))
    assert made == run


NINJA = """\
rule compile
  command = cp $in seen; touch under-way; until [ -e go-on ]; do sleep 0.01; done; cp seen object; echo 'object: $in' > deps
  depfile = deps
  deps = gcc
build object: compile sources/some.h
"""


@named("host-build-sees-what-changes-meanwhile")
def test_settled(tmp_path):
    """A header that is changed while an object is compiled with it: the object must not stay as it was."""
    (tmp_path / "build.ninja").write_text(NINJA)
    header = tmp_path / "sources" / "some.h"
    header.parent.mkdir()
    header.write_text("old")
    builds = []

    def build():
        builds.append(subprocess.Popen(["ninja"], cwd=tmp_path, stdout=subprocess.DEVNULL))
        if len(builds) == 1:
            assert wait_until(lambda: (tmp_path / "under-way").exists())
            header.write_text("new")
        (tmp_path / "go-on").touch()
        assert builds[-1].wait(60) == 0

    settled(build, header.parent)
    assert (tmp_path / "object").read_text() == "new" and len(builds) > 1
