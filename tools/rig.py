"""
A guest under QEMU between two sockets, for measurements: booted, paused while it is another one's turn, and counted.

What a guest is, for Baton's appliances as for those that they are compared with (tools/peer.py):

    name, title              short for files, long for tables
    routed                   None, or 4: it forwards IPv4 between 10.0.0.0/24 and 10.0.1.0/24, and is 10.0.n.1 on NIC n
    polls                    it is busy also when nothing comes
    prepare()                builds or fetches what is needed
    command_line(nics, cpus) QEMU's words, for tools/machine.py
    wait_ready(machine)      returns when it forwards
    stats(machine)           {"net": [{"name", "rx_frames", "tx_frames"}, ...]} and what else it counts; None when it counts nothing
"""
import json
import pathlib
import shlex
import socket
import tempfile
import time

from tools import compiled, spoil
from tools.common import Failure
from tools.machine import Machine, Nic

ICOUNT = ["-icount", "shift=0,sleep=off"]
QUIET_LIMIT = 60    # seconds for a guest to come to rest
QUIET_PAUSE = 0.05
IDLE_SECONDS = 0.5


def alike(guest, other):
    """Whether two guests do the same work: both route, or neither does; who polls and only passes on is set beside all."""
    return guest.routed == other.routed or not other.routed and other.polls


def brief(why):
    """Of a message with a console's last lines: what is the matter, and the last of them."""
    lines = [line.strip("| ") for line in str(why).splitlines() if line.strip("| ")]
    return lines[0] if len(lines) == 1 else f"{lines[0]} {lines[-1]}"


class Monitor:
    """QEMU's QMP on a pair of sockets, so that no file is left."""

    def __init__(self):
        self.ours, self.theirs = socket.socketpair()
        self.kept = [self.theirs.fileno()]
        self.words = ["-chardev", f"socket,id=qmp,fd={self.theirs.fileno()}", "-mon", "chardev=qmp,mode=control"]

    def begin(self):
        self.theirs.close()
        self.file = self.ours.makefile("rw")
        self.file.readline()
        self.command("qmp_capabilities")

    def command(self, name, **arguments):
        try:
            self.file.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
            self.file.flush()
            return self.answer(name)
        except OSError:
            raise Failure("QEMU has ended") from None

    def answer(self, name):
        while True:
            line = self.file.readline()
            if not line:
                raise Failure("QEMU has ended")
            answer = json.loads(line)
            if "error" in answer:
                raise Failure(f"QEMU: {name}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def close(self):
        self.theirs.close()
        self.ours.close()


class Rig:
    """
    `counting`: time follows the instructions, and a plugin counts them; else QEMU runs as fast as it can. `profile`: it counts them by
    address, and no accesses to registers.
    """

    def __init__(self, guest, cpus, counting=False, fault=None, profile=False):
        self.guest, self.cpus, self.counting = guest, cpus, counting
        self.folder = tempfile.TemporaryDirectory(prefix="baton-")
        self.counter = pathlib.Path(self.folder.name) / "counter"
        pairs = [socket.socketpair() for _ in range(2)]
        self.ends = [pair[0] for pair in pairs]
        nics = [Nic(stream=pair[1].fileno()) for pair in pairs]
        self.monitor = Monitor()
        self.line = guest.command_line(nics, cpus)
        if counting:
            self.line = [*self.line, *ICOUNT, "-plugin", f"{compiled.insn_plugin()},socket={self.counter}" + (",profile=on" if profile else ",accesses=on")]
        self.machine = Machine([*self.line, *self.monitor.words], [*nics, self.monitor])
        try:
            for pair in pairs:
                pair[1].close()
            self.begin_monitor()
            guest.wait_ready(self.machine)
            threads = [cpu["thread-id"] for cpu in self.monitor.command("query-cpus-fast")]
            self.threads = [pathlib.Path(f"/proc/{self.machine.process.pid}/task/{thread}/schedstat") for thread in threads]
            if fault:
                self.ends = spoil.spoilt(self.ends, fault)
        except BaseException:
            self.close()
            raise

    def begin_monitor(self):
        try:
            self.monitor.begin()
        except Failure:
            self.machine.kill()
            raise Failure(f"QEMU did not start: {self.machine.errors.strip()}") from None

    def text(self):
        """The command line as it could be typed, but for the sockets' numbers."""
        return shlex.join(self.line)

    def pause(self):
        self.monitor.command("stop")

    def resume(self):
        self.monitor.command("cont")

    def single(self, on):
        """Whether each instruction is a block of translated code of its own; may change at any time."""
        self.monitor.command("human-monitor-command", **{"command-line": f"one-insn-per-tb {'on' if on else 'off'}"})

    def stats(self):
        """The guest's counters at a quiet point: two answers in a row with the same frames and pages. None: it has none."""
        end, last = time.monotonic() + QUIET_LIMIT, None
        while True:
            found = self.guest.stats(self.machine)
            if found is None:
                return None
            still = (found["net"], found.get("pages"))
            if still == last or time.monotonic() > end:
                return found
            last = still
            time.sleep(QUIET_PAUSE)

    def cpu_seconds(self):
        """Of this machine's processors, used by the guest's so far; None where the kernel does not say."""
        try:
            return sum(int(thread.read_text().split()[0]) for thread in self.threads) / 1e9
        except FileNotFoundError:
            return None

    def idle_share(self):
        """How much of a processor the guest's use while no frame comes; None where the kernel does not say."""
        begin, before = time.monotonic(), self.cpu_seconds()
        time.sleep(IDLE_SECONDS)
        after = self.cpu_seconds()
        return None if before is None else (after - before) / (time.monotonic() - begin)

    def close(self):
        self.machine.kill()
        self.monitor.close()
        for end in self.ends:
            end.close()
        self.folder.cleanup()


class Rigs:
    """The guests of one measurement, each booted when its first turn comes, and paused when it is another one's."""

    def __init__(self, cpus, counting, fault):
        self.cpus, self.counting, self.fault = cpus, counting, fault
        self.booted, self.awake = {}, None

    def turn(self, guest):
        if guest.name not in self.booted:
            self.rest()
            self.booted[guest.name] = Rig(guest, self.cpus, self.counting, self.fault)
        elif self.awake != guest.name:
            self.rest()
            self.booted[guest.name].resume()
        self.awake = guest.name
        return self.booted[guest.name]

    def rest(self):
        if self.awake in self.booted:
            self.booted[self.awake].pause()
        self.awake = None

    def drop(self, guest):
        """After a run that was not in order: the next one begins with a fresh boot."""
        if guest.name in self.booted:
            self.booted.pop(guest.name).close()

    def close(self):
        for one in self.booted.values():
            one.close()
