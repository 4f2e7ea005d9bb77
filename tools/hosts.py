"""
Real Linux hosts for the built-in demonstration: a network namespace each, with a tap that leads to a NIC of the guest.

A namespace has no name and belongs to a process that waits for the end of its standard input, so it disappears with
this program, however that ends; the tap goes with QEMU. Without root the same is done in user namespaces.
"""
import os
import pathlib
import select
import signal
import socket
import subprocess
import sys
import time

from tools.common import Failure

TAP = str(pathlib.Path(__file__).with_name("tap.py"))
QUEUE = 10000  # frames that wait for QEMU, so that a busy machine loses none of its own making
USER = [] if os.geteuid() == 0 else ["--user"]


class Process:
    """A program that runs beside this one, ends with it, and whose output is kept."""

    def __init__(self, words, **settings):
        self.words = [str(word) for word in words]
        # A session of its own: Ctrl-C reaches this program only, which then ends the others in order.
        self.process = subprocess.Popen(self.words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, start_new_session=True, **settings)
        self.output = b""

    def read(self, seconds):
        """Takes in what it prints, for that long at most; false when it has closed its output."""
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        data = os.read(self.process.stdout.fileno(), 65536) if ready else None
        self.output += data or b""
        return data != b""

    def wait_for(self, words, seconds=10):
        end = time.monotonic() + seconds
        while words.encode() not in self.output:
            if not self.read(0.2) or time.monotonic() > end:
                raise Failure(f"{' '.join(self.words)} did not start:\n{self.text()}")

    def text(self):
        return self.output.decode(errors="replace")

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()


class Host:
    def __init__(self, name, address, hardware_address):
        self.name, self.address, self.tap, self.servers = name, address, None, []
        words = ["unshare", "--net", *(["--user", "--map-root-user"] if USER else []), "sh", "-c", "echo here; exec cat"]
        self.holder = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                       start_new_session=True)
        try:
            if self.holder.stdout.readline() != b"here\n":
                reason = self.holder.stderr.read().decode(errors="replace").strip()
                raise Failure(f"a network namespace cannot be made ({reason}): run as root, as in: sudo ./baton run")
            self.make_tap(hardware_address)
        except BaseException:
            self.close()
            raise

    def inside(self, *words):
        """A command line that runs in this host, and whose process dies with this program."""
        preserve = ["--preserve-credentials"] if USER else []
        return ["nsenter", "--target", str(self.holder.pid), "--net", *USER, *preserve, "--",
                "setpriv", "--pdeathsig", "KILL", *map(str, words)]

    def do(self, *words, **settings):
        done = subprocess.run(self.inside(*words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, **settings)
        if done.returncode:
            raise Failure(f"host {self.name}: {' '.join(map(str, words))}: {done.stdout.strip()}")

    def make_tap(self, hardware_address):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            self.do(sys.executable, TAP, "eth0", theirs.fileno(), pass_fds=[theirs.fileno()])
            self.tap = socket.recv_fds(ours, 16, 1)[1][0]
        self.do("ip", "link", "set", "lo", "up")
        self.do("ip", "link", "set", "eth0", "address", hardware_address, "txqueuelen", QUEUE, "up")
        self.do("ip", "address", "add", f"{self.address}/24", "dev", "eth0")

    def serve(self, *words, started):
        """Starts a server in this host; returns when it has printed `started`."""
        server = Process(self.inside(*words))
        self.servers.append(server)
        server.wait_for(started)
        return server

    def stop_servers(self):
        while self.servers:
            self.servers.pop().stop()

    def close(self):
        self.stop_servers()
        if self.tap is not None:
            os.close(self.tap)
            self.tap = None
        self.holder.stdin.close()
        self.holder.wait()
        self.holder.stdout.close()
        self.holder.stderr.close()
