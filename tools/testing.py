"""./baton test: builds, runs the tests under test/, and ends with the line `N passed, N failed`."""
import os
import signal
import subprocess
import tempfile
import xml.etree.ElementTree

from tools import build, setup
from tools.common import BUILD, ROOT, Failure, say

PYTEST = ["/usr/bin/python3", "-m", "pytest", "test"]  # Debian's own Python: that is where apt puts pytest
WORKERS = 3  # two for tests of machines, one for what only computes: test/workers.py
NOTHING_FOUND = 5  # pytest's status then
PATIENCE = 30  # seconds that the tests get, after an interrupt, to switch their machines off


def run_tests(words):
    """pytest, to its end; an interrupt is passed on, so that no machine, namespace or temporary file is left."""
    with tempfile.TemporaryDirectory(prefix="baton-") as folder:
        process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *words], cwd=ROOT, stdin=subprocess.DEVNULL,
                                   start_new_session=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1",
                                                                "PYTHONUNBUFFERED": "1", "TMPDIR": folder})
        try:
            return process.wait()
        except KeyboardInterrupt:
            os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(PATIENCE)
            except (subprocess.TimeoutExpired, KeyboardInterrupt):
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            raise


def count(report):
    """Passed, failed, skipped, from the report that pytest wrote."""
    passed = failed = skipped = 0
    for case in xml.etree.ElementTree.parse(report).iter("testcase"):
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            failed += 1
        elif "skipped" in kinds:
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def list_tests(options):
    setup.ensure("list")
    words = [*PYTEST, "--list-names", *choice(options)]
    status = subprocess.run(words, cwd=ROOT, stdin=subprocess.DEVNULL,
                            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}).returncode
    if status == NOTHING_FOUND:
        raise Failure("no test is named so" if options.patterns else "there is no test")
    return status


def choice(options):
    words = ["--long"] if options.long else []
    for pattern in options.patterns:
        words += ["--pattern", pattern]
    return words


def main(options):
    if options.list:
        return list_tests(options)
    setup.ensure("test")
    build.target("all")
    report = BUILD / "test" / "results.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    say("running the tests, three at a time; each is named as it ends")
    status = run_tests([*PYTEST, "-n", str(WORKERS), "--dist", "loadgroup", f"--junitxml={report}", *choice(options)])
    if not report.exists():
        print("0 passed, 1 failed", flush=True)
        raise Failure(f"the tests could not be run (pytest ended with status {status})")
    passed, failed, skipped = count(report)
    # pytest may fail as a whole although no test did.
    failed += 1 if status and passed and not failed else 0
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""), flush=True)
    if not passed + failed:
        raise Failure("no test ran")
    return 1 if failed else 0
