"""
How far a long measurement is: one line that is written again and again on a terminal; elsewhere a line now and then.
"""
import sys
import time

EVERY = 15  # seconds, where there is no terminal


class Progress:
    def __init__(self, total):
        self.total, self.done, self.live = total, 0, sys.stderr.isatty()
        self.told = time.monotonic()

    def step(self, text):
        self.done += 1
        if not self.live and time.monotonic() < self.told + EVERY:
            return
        self.told = time.monotonic()
        line = f"baton: {self.done} of {self.total}: {text}"
        sys.stderr.write(f"\r\033[2K{line}" if self.live else f"{line}\n")
        sys.stderr.flush()

    def clear(self):
        if self.live:
            sys.stderr.write("\r\033[2K")
            sys.stderr.flush()
