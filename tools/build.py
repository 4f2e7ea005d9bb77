"""./baton build: configures and builds with CMake and Ninja, in build/virt."""
import os
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
        if not (tree / "build.ninja").exists():
            say(f"configuring build/{preset}")
            run("cmake", "--preset", preset, quiet=True)
        say(f"building {name}")
        # On a terminal Ninja shows how far it is by itself; elsewhere its lines would only be noise, so the last few
        # words suffice.
        run("cmake", "--build", tree, "--target", name, quiet=not sys.stderr.isatty())


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
