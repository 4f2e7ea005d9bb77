"""
The kernel's own objects on the simulated machine of test/host: units, random operations on IPC pages against a reference
model under an adversarial TLB, the same with each seeded fault, with CPUs in the middle of operations, and on real threads.
"""
import re
import subprocess

import pytest

from naming import long, named

UNITS = {
    "machine": "test_machine",  # the simulated machine itself finds what it is there to find
    "pages": "test_pages",
    "scrub": "test_scrub",
    "page-set": "test_page_set",
    "mm": "test_mm",
    "kernel-map": "test_kernel_map",
    "ipc": "test_ipc",
    "transfer": "test_transfer",
    "request": "test_request",
    "core": "test_core",
    "ledger": "test_ledger",
    "string": "test_string",
}

# What the oracle says of each seeded fault (core/seed.h).
SEEDS = {
    "dropped-tlbi": r"can reach page \d+, which it does not own|can write page",
    "local-tlbi": r"can reach page \d+, which it does not own|can write page",
    "bitmap-bit": r"can reach page \d+, which it does not own|can write page",
    "double-release": r"release of page \d+ by \w+ is 0, expected",
    "early-recycle": r"can reach page \d+, which it does not own",
    "scrub-skipped": r"old bytes 0x\w+ can be read|page \d+ offset \d+ holds 0x",
}


@named("host-{unit}")
@pytest.mark.parametrize("unit", UNITS)
def test_units(build, run_program, unit):
    run_program(build.host(UNITS[unit]))


@named("host-ownership-random")
def test_ownership(build, run_program):
    """BATON_RANDOM_SEED in the environment chooses another sequence; a failure prints the seed and the operation."""
    assert "done: " in run_program(build.host("ownership_random"), 10**6)


@named("host-ownership-random-long")
@long
@pytest.mark.timeout(3600)
def test_ownership_long(build, run_program):
    assert "done: " in run_program(build.host("ownership_random"), 10**8, timeout=2400)
    assert "done: " in run_program(build.host("interleaved"), 10**7, timeout=1000)


@named("host-ownership-random-seed-{seed}")
@pytest.mark.parametrize("seed", [2, 3])
def test_ownership_other_seeds(build, run_program, seed):
    run_program(build.host("ownership_random"), 2 * 10**5, BATON_RANDOM_SEED=str(seed))


@named("host-interleaved")
def test_interleaved(build, run_program):
    """Kernel operations of four CPUs, each in the middle of its own."""
    for seed in range(1, 4):
        assert "done: " in run_program(build.host("interleaved"), 3 * 10**5, BATON_RANDOM_SEED=str(seed))


@named("host-{what}-threads")
@pytest.mark.parametrize("what", ["port", "pages"])
def test_threads(build, run_program, what):
    run_program(build.host(f"{what}_threads"))


@named("host-clang")
def test_clang(build, run_program):
    """The other compiler: its warnings are errors too, and its sanitizers see other things."""
    clang = {"CMAKE_C_COMPILER": "clang"}
    for program in UNITS.values():
        run_program(build.host(program, clang))
    run_program(build.host("ownership_random", clang), 2 * 10**5)
    run_program(build.host("interleaved", clang), 10**5)
    run_program(build.host("port_threads", clang), 10**4)
    run_program(build.host("pages_threads", clang), 5 * 10**4)


@named("seeded-{seed}")
@pytest.mark.parametrize("seed", SEEDS)
def test_seeded(build, run_program, seed):
    """The very same program and sequence: passes as it is, and with the fault ends by the oracle's word, not by a crash."""
    run_program(build.host("ownership_random"), 10**5)
    broken = subprocess.run([build.host("ownership_random", {"BATON_SEED": seed}), str(10**5)], timeout=280,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert broken.returncode == 3, f"the fault was not caught:\n{broken.stdout[-2000:]}"
    said = re.search(r"^oracle: (.*)", broken.stdout, re.MULTILINE)
    assert said and re.search(SEEDS[seed], said.group(1)), broken.stdout[-2000:]
