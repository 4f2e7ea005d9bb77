"""How far a long measurement is: one line on the terminal that is written again and again; nothing where there is no terminal."""
import sys


class Progress:
    def __init__(self, total):
        self.total, self.done, self.live = total, 0, sys.stderr.isatty()

    def step(self, text):
        self.done += 1
        if self.live:
            sys.stderr.write(f"\r\033[2Kbaton: {self.done} of {self.total}: {text}")
            sys.stderr.flush()

    def clear(self):
        if self.live:
            sys.stderr.write("\r\033[2K")
            sys.stderr.flush()
