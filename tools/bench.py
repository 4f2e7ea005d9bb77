"""./baton bench: measurements. Each is a module with NAME, TEXT, and measure(options), which prints and returns its results."""
import json
import os
import pathlib

from tools import bench_forward, bench_ipc, bench_options, build, setup
from tools.common import Failure, say

ALL = {module.NAME: module for module in (bench_ipc, bench_forward)}


def write_json(file, results):
    fresh = pathlib.Path(f"{file}.{os.getpid()}")
    try:
        fresh.write_text(json.dumps(results, indent=1) + "\n")
        fresh.rename(file)
    finally:
        fresh.unlink(missing_ok=True)


def check_json(file):
    """A mistake in the name shows now, not after the measurement; and nothing is left when that is interrupted."""
    new = not os.path.exists(file)
    open(file, "a").close()
    if new:
        os.unlink(file)


def main(options):
    names = options.names or list(ALL)
    for name in names:
        if name not in ALL:
            raise Failure(f"there is no measurement {name}; there are: {', '.join(ALL)}", status=2)
    wrong = bench_options.check(options, names)
    if wrong:
        raise Failure(wrong, status=2)
    if options.json:
        if len(names) > 1:
            raise Failure("--json goes with one measurement", status=2)
        check_json(options.json)
    setup.ensure("bench", options.toolchain, options.libc)
    for name in names:
        say(f"{name}: {ALL[name].TEXT}")
        refused, results = ALL[name].measure(options, build.preset_of(options))
        if options.json:
            write_json(options.json, results)
        if refused:
            return 1
    return 0
