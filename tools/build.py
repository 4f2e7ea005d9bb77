"""./baton build: configures and builds with CMake and Ninja, in build/virt."""
import os
import shutil
import sys

from tools import setup
from tools.common import BUILD, ROOT, Failure, appliances, locked, run, say


def image(appliance):
    """Builds an appliance; returns its image. The symbols lie beside it: switch.img, switch.elf."""
    known = appliances()
    if appliance not in known:
        raise Failure(f"there is no appliance {appliance}; there are: {', '.join(sorted(known)) or 'none'}", status=2)
    target(appliance)
    return BUILD / "virt" / f"{appliance}.img"


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
        run("cmake", "--build", tree, "--target", name, quiet=not sys.stderr.isatty())


def forget_moved(tree):
    """CMake refuses a build tree that was copied or moved here with its sources: it is made anew."""
    cache = tree / "CMakeCache.txt"
    if cache.exists() and f"CMAKE_HOME_DIRECTORY:INTERNAL={ROOT}\n" not in cache.read_text():
        shutil.rmtree(tree)


def shown(path):
    """A path as the user would type it."""
    try:
        return os.path.relpath(path) if path.is_relative_to(os.getcwd()) else str(path)
    except FileNotFoundError:
        return str(path)


def main(options):
    setup.ensure("build")
    print(shown(image(options.appliance)), flush=True)
    return 0
