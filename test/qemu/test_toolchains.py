"""
The other compilers and the other C library: images built each way boot, forward frames, and pass the self-tests.

What the reference image (GCC, picolibc) is tested for in the other files is not repeated for each of these. Where two
would wait for the same build, one worker of pytest does both.
"""
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

from building import BUILD, ROOT, run
from naming import early, named, patient
from traffic import assert_all_arrived, through

sys.path.insert(0, str(ROOT))
from tools.setup import none_elf  # noqa: E402

IMAGES = ["switch", "ipc-self-test", "libc-self-test"]
LIBC_MARK = {"picolibc": b"__lock___libc_recursive_mutex", "newlib": b"__getreent"}  # symbols that only one has
COMPILER_MARK = {"gcc": b"GNU C11 ", "clang": b"clang version "}                     # from the debug information
LINUX_GCC = "aarch64-linux-gnu-"

pytestmark = patient
together = pytest.mark.xdist_group("toolchains")


def check_forwards(boot, tree):
    machine = boot(tree / "switch.img", cpus=2).wait_ready()
    assert_all_arrived(through(machine, frames=5000, size="60,512,1514"))
    machine.halt()


def check_calls(boot, tree, cpus):
    machine = boot(tree / "ipc-self-test.img", cpus=cpus, nics=0, append="level=7")
    result = machine.wait_for(r"^tester: ipc-self-test: (.*)\n", 200).group(1)
    assert re.fullmatch(r"\d+ checks passed", result), result
    machine.wait_for(r"^service tester stopped.*\n")
    stats = machine.quiet_stats()
    assert stats["pages"]["free"] == stats["pages"]["total"] and stats["faults"]["violations"] == 0, stats
    machine.halt()


def check_libc(boot, image, cpus):
    machine = boot(image, cpus=cpus, nics=0)
    result = machine.wait_for(r"^tester: libc-self-test: (.*)\n", 200).group(1)
    assert re.fullmatch(r"\d+ checks passed", result), result
    machine.wait_for(r"^tester: This is main's line, ended by atexit\n")
    machine.wait_for(r"^tester: ends with status 7\n")
    machine.halt()


def check_images(boot, tree, compiler, libc):
    """What was built is what was asked for, and works."""
    kernel, service = tree / "switch.elf", tree / "services" / "switch-forward.elf"
    for mark in COMPILER_MARK.values():
        assert (mark in kernel.read_bytes()) == (mark == COMPILER_MARK[compiler]), f"{kernel}: {mark}"
    for mark in LIBC_MARK.values():
        assert (mark in service.read_bytes()) == (mark == LIBC_MARK[libc]), f"{service}: {mark}"
    for entry in json.loads((tree / "compile_commands.json").read_text()):
        assert "-Werror" in entry["command"].split() or entry["file"].endswith(".S"), f"{entry['file']}: no -Werror"
    check_forwards(boot, tree)
    check_calls(boot, tree, 4)
    check_libc(boot, tree / "libc-self-test.img", 4)


@named("libc-self-test-{cpus}cpu")
@pytest.mark.parametrize("cpus", [1, 4])
def test_libc(build, boot, cpus):
    check_libc(boot, build.image("libc-self-test"), cpus)


@named("toolchain-{compiler}-{libc}")
@together
@early
@pytest.mark.parametrize("compiler, libc", [("clang", "picolibc"), ("gcc", "newlib"), ("clang", "newlib")])
def test_combination(boot, compiler, libc):
    toolchain = {"clang": "clang", "gcc": "linux-gnu"}[compiler]
    for image in IMAGES:
        said = run(ROOT / "baton", "build", image, "--toolchain", toolchain, "--libc", libc)
        tree = (ROOT / said.splitlines()[-1]).parent
        assert tree.parent == BUILD and tree.name != "virt", tree
    check_images(boot, tree, compiler, libc)


@named("toolchain-without-thread-local-variables-{libc}")
@together
@early
@pytest.mark.parametrize("libc", ["picolibc", "newlib"])
def test_emulated_tls(build, boot, libc):
    """As with a GCC that was built by --disable-tls, which Arm's may be: clang calls the same function when told to."""
    if libc == "newlib":
        run(ROOT / "baton", "build", "switch", "--libc", "newlib")  # so that newlib is there
    preset = {"picolibc": "virt-clang", "newlib": "virt-clang-newlib"}[libc]
    for image in IMAGES:
        tree = build.target(image, preset, {"CMAKE_C_FLAGS": "-femulated-tls"})
    assert b"__emutls_get_address" in (tree / "services" / "switch-forward.elf").read_bytes()
    check_images(boot, tree, "clang", libc)


def wrapper(folder):
    """Debian's compiler by the Arm toolchain's names: not the same compiler, but all that the toolchain file can see."""
    for tool in ("gcc", "gcc-ar", "gcc-nm", "gcc-ranlib", "ar", "as", "ld", "nm", "objcopy", "objdump", "ranlib", "strip"):
        found = subprocess.run(["which", LINUX_GCC + tool], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
        (folder / f"aarch64-none-elf-{tool}").symlink_to(found)
    return folder


@named("toolchain-none-elf-file")
@together
@early
def test_none_elf(build, boot, tmp_path):
    """
    With the Arm GNU toolchain where this machine has it. Debian packages none; without it, with a folder made for the
    occasion, in which Debian's compiler goes by its names.
    """
    build.target("switch", "virt")  # what the build fetches is there
    (tmp_path / "bin").mkdir()
    folder = pathlib.Path(none_elf() or wrapper(tmp_path / "bin"))
    tree = tmp_path / "build"
    place = folder.parent if folder.name == "bin" else folder  # as it is unpacked; the file finds bin/ in it
    run("env", f"AARCH64_NONE_ELF={place}", "cmake", "--preset", "virt-none-elf", "-B", tree)
    run("cmake", "--build", tree, "--target", *IMAGES)
    assert f"CMAKE_AR:FILEPATH={folder / 'aarch64-none-elf-ar'}\n" in (tree / "CMakeCache.txt").read_text()
    check_images(boot, tree, "gcc", "picolibc")


@named("toolchain-none-elf-missing")
def test_none_elf_missing(tmp_path):
    done = subprocess.run([ROOT / "baton", "build", "switch", "--toolchain", "none-elf"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, env={**os.environ, "AARCH64_NONE_ELF": str(tmp_path)})
    assert done.returncode == 1 and not done.stdout
    assert f"aarch64-none-elf-gcc is not in {tmp_path}" in done.stderr and "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
