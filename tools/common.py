"""
What all subcommands share: where things are, how they talk, how they end.

What a user waits for goes to standard error (say), results go to standard output. A mistake that the user can mend is
raised as Failure: one message, no traceback, exit status 1.
"""
import contextlib
import fcntl
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
CACHE = BUILD / "cache"
PATIENCE = 3  # seconds after an interrupt in which another changes nothing


class Failure(Exception):
    def __init__(self, message, status=1):
        super().__init__(message)
        self.status = status


def say(text):
    print(f"baton: {text}", file=sys.stderr, flush=True)


def not_yet(what):
    """The answer of everything that a later version will bring."""
    raise Failure(f"{what} is not there yet: it comes with a later version of Baton", status=2)


def run(*command, quiet=False, cwd=ROOT, what=None, env=None):
    """
    Runs a command to its end, its output going to standard error; with `quiet` only when it fails. Raises Failure
    when it fails, with what apt said of it last.
    """
    words = [str(word) for word in command]
    output = subprocess.PIPE if quiet else sys.stderr
    try:
        done = subprocess.run(words, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                              text=True, env={**os.environ, **(env or {})})
    except FileNotFoundError:
        raise Failure(f"{words[0]} is not installed") from None
    if done.returncode:
        sys.stderr.write(done.stdout or "")
        errors = [line[3:].strip() for line in (done.stdout or "").splitlines() if line.startswith("E: ")]
        raise Failure(f"{what or shlex.join(words)} failed ({errors[-1] if errors else f'status {done.returncode}'})")


def answer(*command):
    """What a command prints, or None when it fails or is not there."""
    try:
        done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True)
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


@contextlib.contextmanager
def locked(name):
    """Holds build/NAME.lock: two commands never work in one build tree at the same time."""
    BUILD.mkdir(exist_ok=True)
    with open(BUILD / f"{name}.lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say(f"waiting for another command that works in build/{name}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def interrupts():
    """
    A request to end, by whatever signal, comes as KeyboardInterrupt, so that every `finally` is run. A second one soon
    after must not cut that short.
    """
    asked = -PATIENCE

    def stop(number, frame):
        nonlocal asked
        before, asked = asked, time.monotonic()
        if asked - before >= PATIENCE:
            raise KeyboardInterrupt
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)


def appliances():
    """Names of what can be built: the appliances, and those made for tests."""
    folders = [*(ROOT / "apps").glob("*/CMakeLists.txt"), *(ROOT / "test/qemu/apps").glob("*/CMakeLists.txt")]
    return [file.parent.name for file in folders]
