"""
Every parser of apps/net under libFuzzer, with the address and undefined-behaviour sanitizers and the search for leaks: a number
of inputs each (INPUTS), however long this host takes for them, and more with --long (INPUTS_LONG). A new parser: a file with
LLVMFuzzerTestOneInput in this folder (frame.h makes frames of inputs), a row below, and if possible a corpus.

corpus/NAME.txt holds inputs to begin with, one a line in hexadecimal. What a run finds worth keeping is left in
build/fuzz/NAME, where the next run begins; inputs that fail go to build/fuzz/NAME.failed.
"""
import hashlib
import pathlib
import re
import subprocess

import pytest

from building import BUILD, ROOT, locked, run
from naming import long, named, patient

pytestmark = patient

FOLDER = pathlib.Path(__file__).resolve().parent

# Name -> sources in apps/net beside the file of that name here, and the longest input.
TARGETS = {
    "address": (["address"], 64),
    "config": (["config", "config_check", "address", "next_hop", "ipv4", "ipv6"], 600),
    "arp": (["arp"], 130),
    "ipv4": (["ipv4", "icmp"], 130),
    "ipv6": (["ipv6", "icmp6"], 130),
    "nd": (["nd", "ipv6", "icmp6"], 130),
    "neighbor": (["neighbor"], 600),
    "route": (["route", "address"], 121),
}
# Inputs of a round. The usual parsers reach the last of their edges, and all but a few features, within a fifth of these; the two
# that are slow have as many as 20 s allow, in which `config` still finds some.
# `route` walks its list: a mutant of its code took 300 to 10,000 inputs to be found.
INPUTS = {"config": 500_000, "neighbor": 500_000, "route": 60_000}
INPUTS_USUAL = 2_000_000
# With --long; of routes as many as take five minutes.
INPUTS_LONG = {"route": 600_000}
INPUTS_LONG_USUAL = 10_000_000
FLAGS = ["-std=gnu11", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-fsanitize=fuzzer,address,undefined",
         "-fno-sanitize-recover=all", f"-fmacro-prefix-map={ROOT}/="]


def program(name):
    """The fuzzer of that name, compiled unless that has been done."""
    sources = [FOLDER / f"{name}.c", *(ROOT / "apps" / "net" / f"{part}.c" for part in TARGETS[name][0])]
    texts = [*sources, *sorted((ROOT / "apps" / "net").glob("*.h")), FOLDER / "frame.h"]
    key = hashlib.sha256(b"".join(file.read_bytes() for file in texts) + repr(FLAGS).encode()).hexdigest()[:12]
    target = BUILD / "fuzz" / f"{name}-{key}"
    with locked(f"fuzz-{name}"):
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            run("clang", *FLAGS, "-I", ROOT, "-o", target, *sources)
    return target


def inputs_of(name):
    return [bytes.fromhex(line) for line in (FOLDER / "corpus" / f"{name}.txt").read_text().split("\n") if line]


def fuzz(name, *limits, timeout):
    """Runs a fuzzer; returns how many inputs it tried."""
    found, failed = BUILD / "fuzz" / name, BUILD / "fuzz" / f"{name}.failed"
    for folder in (found, failed):
        folder.mkdir(parents=True, exist_ok=True)
    for data in inputs_of(name):
        (found / hashlib.sha1(data).hexdigest()).write_bytes(data)
    words = [program(name), f"-max_len={TARGETS[name][1]}", "-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1",
             f"-artifact_prefix={failed}/", *limits, found]
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", timeout=timeout)
    assert done.returncode == 0, f"fuzz-{name} ended with status {done.returncode}:\n{done.stdout[-8000:]}"
    return int(re.search(r"number_of_executed_units: (\d+)", done.stdout).group(1))


@named("fuzz-{name}")
@pytest.mark.parametrize("name", TARGETS)
def test_fuzz(name):
    count = INPUTS.get(name, INPUTS_USUAL)
    assert fuzz(name, f"-runs={count}", timeout=800) >= count


@named("fuzz-{name}-long")
@long
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("name", TARGETS)
def test_fuzz_long(name):
    count = INPUTS_LONG.get(name, INPUTS_LONG_USUAL)
    assert fuzz(name, f"-runs={count}", timeout=4 * 3600) >= count


@named("fuzz-sees-a-mistake")
def test_sees_a_mistake(tmp_path):
    """A reader that looks one byte too far is found, so the fuzzers are no decoration."""
    source = tmp_path / "broken.c"
    source.write_text("#include <stddef.h>\n#include <stdint.h>\n"
                      "int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);\n"
                      "int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)\n"
                      "{\n    return size > 2 && input[0] == 7 && input[size] == 1 ? -1 : 0;\n}\n")
    run("clang", *FLAGS, "-o", tmp_path / "broken", source)
    done = subprocess.run([tmp_path / "broken", "-max_total_time=20", f"-artifact_prefix={tmp_path}/"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=120)
    assert done.returncode != 0 and "heap-buffer-overflow" in done.stdout, done.stdout[-4000:]
