"""
When a silence tells something. On a busy host a machine is silent because its threads wait for a processor: what they would send
comes later, and no time says when. So a silence counts only while no thread of QEMU runs or wants to run. Every way from a frame that
goes in to all that comes of it is a chain of threads each of which wakes the next before it sleeps; a machine whose threads all sleep
has nothing under way but what it waits for with a timer. What comes late from a sleeping machine is late by the machine's own fault.
"""
import os
import pathlib
import re
import time

LOOK = 0.01   # seconds between two looks
ASLEEP = "SZX"  # as proc(5) has them: sleeping until something happens, and ended
THREAD = re.compile(r"^State:\s+(\S).*^voluntary_ctxt_switches:\s+(\d+)$", re.MULTILINE | re.DOTALL)


class Rest:
    """Looks at a process; `seconds` says how long all of its threads have slept, in all."""

    def __init__(self, pid):
        self.tasks = pathlib.Path(f"/proc/{pid}/task")
        self.seconds = 0.0
        self.time, self.seen = time.monotonic(), self.threads()

    def threads(self):
        """How often each thread has gone to sleep so far; None when one of them does not sleep."""
        threads = {}
        try:
            for name in os.listdir(self.tasks):
                state, sleeps = THREAD.search((self.tasks / name / "status").read_text()).groups()
                if state not in ASLEEP:
                    return None
                threads[name] = sleeps
        except (FileNotFoundError, ProcessLookupError):
            return None if self.tasks.exists() else {}  # a thread has just ended; or all have
        return threads

    def look(self):
        """
        The time since the last look counts when each thread slept at both and was not awake in between. The looks at single threads
        are not at one moment; but a thread that was woken behind our back would have run since, or would want to.
        """
        before, then = self.time, self.seen
        self.time, self.seen = time.monotonic(), self.threads()
        if then is not None and then == self.seen:
            self.seconds += self.time - before
        return self.seconds
