"""
What all tests share: their names and how they are chosen, the build, machines that are always switched off again, and
a report that shows the consoles of a failed test's machines.

How to add a test is said in naming.py.
"""
import subprocess
import sys

import pytest

import workers
from building import Build
from harness import Machine


def pytest_addoption(parser):
    group = parser.getgroup("baton")
    group.addoption("--pattern", action="append", default=[], metavar="TEXT",
                    help="run only tests whose name contains TEXT (repeatable)")
    group.addoption("--list-names", action="store_true", help="print the names of the tests and exit")
    group.addoption("--long", action="store_true", help="also run the tests that take hours")


# ---- Names ----

def name_of(item):
    mark = item.get_closest_marker("named")
    if mark is None:
        raise pytest.UsageError(f"{item.nodeid}: a test needs a name: @named(\"...\"), see naming.py")
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    return mark.args[0].format(**parameters, id=item.callspec.id if parameters else "")


@pytest.hookimpl(trylast=True)  # behind pytest-xdist, whose names of groups would be lost with the nodeid
def pytest_collection_modifyitems(config, items):
    patterns = config.getoption("pattern")
    names, chosen, rest = {}, [], []
    for item in items:
        name = name_of(item)
        if name in names:
            raise pytest.UsageError(f"two tests are called {name}: {names[name]} and {item.nodeid}")
        names[name] = item.nodeid
        keep = not patterns or any(text in name for text in patterns)
        keep = keep and (item.get_closest_marker("long") is None or config.getoption("long"))
        (chosen if keep else rest).append(item)
        # The name stands wherever pytest would print its own identification of the test.
        item.name = name
        item._nodeid = workers.name_with_group(item, name)
        item.__dict__["location"] = (name, None, name)
    items[:] = chosen
    workers.sort(items)
    if rest:
        config.hook.pytest_deselected(items=rest)


# ---- What is printed ----

@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    config.cwd_relative_nodeid = lambda name: name.split("@")[0]  # names, never paths or groups
    workers.begin(config)
    if config.getoption("list_names"):
        config.pluginmanager.unregister(name="terminalreporter")


def pytest_xdist_make_scheduler(config, log):
    return workers.Scheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session):
    if not session.config.getoption("list_names"):
        return None
    if session.testsfailed:
        return None
    for item in session.items:
        print(item.name)
    return True


def pytest_collectreport(report):
    if report.failed:
        print(report.longreprtext, file=sys.stderr)


def pytest_report_teststatus(report, config):
    """No dots and letters: a line for each test, printed by pytest_runtest_logreport."""
    if report.when == "call" or report.outcome != "passed":
        category = report.outcome if report.when == "call" or report.skipped else "error"
        return category, "", ""
    return "", "", ""


class Lines:
    """Prints a line for each test as it ends. Runs in the controlling process only."""

    def __init__(self):
        self.seconds = {}

    def pytest_terminal_summary(self, terminalreporter, exitstatus, config):
        if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
            terminalreporter.line(f"no test's name contains {' or '.join(config.getoption('pattern'))}")

    def pytest_runtest_logreport(self, report):
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0) + report.duration
        if report.failed:
            word = "FAIL"
        elif report.skipped:
            word = "skip"
        elif report.when == "call":
            word = "ok  "
        else:
            return
        reason = f": {report.longrepr[2]}" if report.skipped and isinstance(report.longrepr, tuple) else ""
        print(f"{word} {report.nodeid.split('@')[0]} ({self.seconds[report.nodeid]:.1f} s){reason}", flush=True)


def pytest_sessionstart(session):
    if not hasattr(session.config, "workerinput"):
        session.config.pluginmanager.register(Lines(), "lines")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for machine in getattr(item, "machines", []):
            report.sections.append((f"console of {machine.title}", machine.console_text()[-20000:]))
            if machine.qemu_errors():
                report.sections.append((f"QEMU's messages, {machine.title}", machine.qemu_errors()[-4000:]))


# ---- Fixtures ----

@pytest.fixture(scope="session")
def build():
    """Builds images and host programs on demand, each at most once, safely beside other workers."""
    return Build()


@pytest.fixture(scope="session")
def switch(build):
    """The image that `./baton build switch` makes."""
    return build.image("switch")


@pytest.fixture
def boot(request):
    """boot(image, ...) starts a Machine (see harness.py); all are switched off when the test ends."""
    machines = request.node.machines = []

    def start(image, **settings):
        machine = Machine(image, **settings)
        machines.append(machine)
        machine.start()
        return machine

    yield start
    for machine in machines:
        machine.kill()


@pytest.fixture
def run_program():
    """run_program(path, *arguments) runs a program on the host; it must end with status 0. Returns what it printed."""
    def run(path, *arguments, timeout=800, **environment):
        import os
        done = subprocess.run([str(path), *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=timeout, env={**os.environ, **environment})
        assert done.returncode == 0, f"{path} ended with status {done.returncode}:\n{done.stdout[-8000:]}"
        return done.stdout
    return run
