"""
Real Linux hosts for the built-in demonstration: a network namespace each, with a tap that leads to a NIC of the guest.

A namespace has no name and belongs to a process that waits for the end of its standard input, so it disappears with
this program, however that ends; the tap goes with QEMU. Without root the same is done in user namespaces, and where no tap
can be had, a pair of virtual cards takes its place (link.py).
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
from tools.machine import Nic

LINK = [sys.executable, "-B", str(pathlib.Path(__file__).with_name("link.py"))]
QUEUE = 10000  # frames that wait for QEMU, so that a busy machine loses none of its own making


class Namespace:
    """How hosts are made: by root, or in a user namespace, where everyone is root."""

    def __init__(self, user):
        self.user, self.link, self.remark = user, None, None

    def new(self, *words):
        return ["unshare", "--net", *(["--user", "--map-root-user"] if self.user else []), *words]

    def enter(self, process, *words):
        return ["nsenter", "--target", str(process), "--net",
                *(["--user", "--preserve-credentials"] if self.user else []), "--", *words]

    def refusal(self):
        """Why no hosts can be made so, or None. Tries it, and finds out what leads to a host: a tap or a pair of cards."""
        try:
            done = subprocess.run(self.new(*LINK, "probe"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
        except FileNotFoundError as error:
            return f"{error.filename} is not installed"
        if done.returncode:
            # A limit of 0 is how user namespaces are forbidden; the kernel calls that "no space".
            reason = done.stderr.strip().replace("unshare: unshare failed", "unshare")
            return reason.replace("No space left on device", "the limit in /proc/sys/user is reached")
        self.link, _, reason = done.stdout.strip().partition(" ")
        self.remark = f"by pairs of virtual cards and not by taps ({reason})" if reason else None
        return None


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

    def wait_for(self, words, seconds=60):
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
    """With `gateway` it reaches others through that; with address6 (and gateway6) it speaks IPv6 too."""

    def __init__(self, space, name, address, hardware_address, gateway=None, address6=None, gateway6=None):
        self.space, self.name, self.address, self.gateway, self.servers = space, name, address, gateway, []
        self.address6, self.gateway6, self.end, self.carrier = address6, gateway6, None, None
        self.holder = subprocess.Popen(space.new("sh", "-c", "echo here; exec cat"), stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        try:
            if self.holder.stdout.readline() != b"here\n":
                reason = self.holder.stderr.read().decode(errors="replace").strip()
                raise Failure(f"a network namespace cannot be made: {reason}")
            self.connect()
            self.configure(hardware_address)
        except BaseException:
            self.close()
            raise

    def inside(self, *words):
        """A command line that runs in this host, and whose process dies with this program."""
        return self.space.enter(self.holder.pid, "setpriv", "--pdeathsig", "KILL", *map(str, words))

    def do(self, *words, **settings):
        done = subprocess.run(self.inside(*words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, **settings)
        if done.returncode:
            raise Failure(f"host {self.name}: {' '.join(map(str, words))}: {done.stdout.strip()}")

    def connect(self):
        """Makes eth0; `end` is the descriptor for QEMU."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            words, kept = [*LINK, self.space.link, "eth0", theirs.fileno()], [theirs.fileno()]
            if self.space.link == "tap":
                self.do(*words, pass_fds=kept)
                self.end = socket.recv_fds(ours, 16, 1)[1][0]
            else:
                self.carrier = Process(self.inside(*words), pass_fds=kept)
                self.carrier.wait_for("linked")
                self.end = ours.detach()

    def nic(self):
        return Nic(tap=self.end) if self.space.link == "tap" else Nic(stream=self.end)

    def configure(self, hardware_address):
        self.do("ip", "link", "set", "lo", "up")
        self.do("ip", "link", "set", "eth0", "address", hardware_address, "txqueuelen", QUEUE, "up")
        self.do("ip", "address", "add", f"{self.address}/24", "dev", "eth0")
        if self.gateway:
            self.do("ip", "route", "add", "default", "via", self.gateway)
        if self.address6:
            self.do("ip", "address", "add", f"{self.address6}/64", "dev", "eth0", "nodad")
        if self.gateway6:
            self.do("ip", "route", "add", "default", "via", self.gateway6)

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
        if self.carrier:
            self.carrier.stop()
        if self.end is not None:
            os.close(self.end)
            self.end = None
        self.holder.stdin.close()
        self.holder.wait()
        self.holder.stdout.close()
        self.holder.stderr.close()
