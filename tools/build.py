"""
./baton build: configures and builds with CMake and Ninja, in a folder of build/ for each board, toolchain and C library:
build/virt, build/virt-clang, build/virt-newlib and so on, each a preset of CMakePresets.json.
"""
import os
import re
import shutil
import sys

from tools import setup
from tools.common import BUILD, ROOT, Failure, appliances, locked, run, say
from tools.settled import settled


def preset_of(options):
    """The preset for what the user chose; what is chosen without a word is not named in it."""
    return "-".join([options.board, *[options.toolchain] * (options.toolchain != "linux-gnu"),
                     *[options.libc] * (options.libc != "picolibc")])


def image(appliance, preset="virt"):
    """Builds an appliance; returns its image. The symbols lie beside it: switch.img, switch.elf."""
    known = appliances()
    if appliance not in known:
        raise Failure(f"there is no appliance {appliance}; there are: {', '.join(sorted(known)) or 'none'}", status=2)
    target(appliance, preset)
    return BUILD / preset / f"{appliance}.img"


def target(name, preset="virt"):
    """Builds one target of a preset."""
    tree = BUILD / preset
    with locked(preset):
        forget_moved(tree)
        if not (tree / "build.ninja").exists():
            say(f"configuring build/{preset}")
            run("cmake", "--preset", preset, quiet=True)
        say(f"building {name}")
        # On a terminal Ninja shows how far it is by itself; elsewhere its lines would only be noise, so the last few
        # words suffice.
        settled(lambda: run("cmake", "--build", tree, "--target", name, quiet=not sys.stderr.isatty()))


def forget_moved(tree):
    """
    CMake refuses a build tree that was copied or moved here with its sources, and one whose compiler has moved: it is made
    anew.
    """
    cache = tree / "CMakeCache.txt"
    if not cache.exists():
        return
    text = cache.read_text()
    compiler = re.search(r"^AARCH64_NONE_ELF:PATH=(.*)$", text, re.MULTILINE)
    if f"CMAKE_HOME_DIRECTORY:INTERNAL={ROOT}\n" not in text or compiler and compiler.group(1) != setup.none_elf():
        shutil.rmtree(tree)


def shown(path):
    """A path as the user would type it."""
    try:
        return os.path.relpath(path) if path.is_relative_to(os.getcwd()) else str(path)
    except FileNotFoundError:
        return str(path)


def main(options):
    setup.ensure("build", options.toolchain, options.libc)
    print(shown(image(options.appliance, preset_of(options))), flush=True)
    return 0
