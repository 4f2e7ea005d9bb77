"""
Builds what the tests need: the appliances' images (CMake presets), test programs for the host, and the small C tools
in this folder. Everything lands under build/, so a clean tree stays clean.
"""
import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
SEEDED_BUILD = {"BATON_SEEDED": "ON"}  # makes the fault that it is asked for (core/seed.h), and none unless it is asked
sys.path.insert(0, str(ROOT))

from tools import compiled  # noqa: E402
from tools.settled import settled  # noqa: E402


class BuildError(Exception):
    pass


@contextlib.contextmanager
def locked(name):
    """Holds build/NAME.lock: the workers of pytest-xdist build one after the other."""
    BUILD.mkdir(exist_ok=True)
    with open(BUILD / f"{name}.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run(*command, timeout=900):
    done = subprocess.run([str(word) for word in command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=timeout)
    if done.returncode:
        raise BuildError(f"{' '.join(map(str, command))}\nended with status {done.returncode}:\n{done.stdout[-8000:]}")
    return done.stdout


def copy_tree(folder):
    """The sources as they are now, committed or not, to another folder."""
    names = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True,
                           stdout=subprocess.PIPE).stdout.decode().split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)


def generator():
    """The traffic generator (tools/native/generator.c), compiled."""
    return compiled.generator()


def insn_plugin():
    """The instruction counter for QEMU (tools/native/insn.c), compiled."""
    return compiled.insn_plugin()


class Build:
    """CMake builds. A preset with other options gets a tree of its own, so that nothing is rebuilt twice."""

    def __init__(self):
        self.done = {}

    def tree(self, preset, options=None):
        options = dict(options or {})
        if not options:
            return BUILD / preset
        words = "-".join("seeded" if name == "BATON_SEEDED" else str(value) for name, value in options.items())
        return BUILD / f"{preset}-{words}"

    def target(self, target, preset, options=None):
        """Builds one target; returns its build tree."""
        options = dict(options or {})
        key = (target, preset, tuple(sorted(options.items())))
        tree = self.tree(preset, options)
        if key not in self.done:
            with locked(tree.name):
                defines = [f"-D{name}={value}" for name, value in options.items()]
                if defines or not (tree / "build.ninja").exists():
                    run("cmake", "--preset", preset, "-B", tree, *defines)
                settled(lambda: run("cmake", "--build", tree, "--target", target))
            self.done[key] = tree
        return tree

    def image(self, appliance, options=None):
        """The bootable image of an appliance (or of a test appliance)."""
        tree = self.target(appliance, "virt", options)
        return tree / f"{appliance}.img"

    def host(self, program, options=None):
        """A test program that runs here."""
        tree = self.target(program, "host", options)
        return tree / program
