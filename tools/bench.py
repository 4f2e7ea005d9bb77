"""./baton bench: measurements. Each is a module with NAME, TEXT, and measure(options), which prints and returns its results."""
import json
import os
import pathlib
import tempfile

from tools import bench_forward, bench_ipc, bench_options, bench_plot, bench_small, bench_stations, build, setup
from tools.common import Failure, run, say

ALL = {module.NAME: module for module in (bench_ipc, bench_forward, bench_stations, bench_small)}


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
    try:
        open(file, "a").close()
    except OSError as why:
        raise Failure(f"--json {file}: {why.strerror}") from None
    if new:
        os.unlink(file)


def check_folder(folder):
    """Likewise of the folder for plots."""
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as why:
        raise Failure(f"--plot {folder}: {why.strerror}") from None


def plot(folder, name, results):
    """By the system's own Python, which has Debian's packages; the one that runs this may be another."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(results, file)
        file.flush()
        run(bench_plot.PYTHON, "-m", "tools.bench_plot", name, file.name, os.path.abspath(folder), what="plotting")


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
    if options.plot:
        check_folder(options.plot)
        setup.ensure("plot")
    setup.ensure("bench", options.toolchain, options.libc)
    for name in names:
        say(f"{name}: {ALL[name].TEXT}")
        refused, results = ALL[name].measure(options, build.preset_of(options))
        if options.json:
            write_json(options.json, results)
        if options.plot:
            plot(options.plot, name, results)
        if refused:
            return 1
    return 0
