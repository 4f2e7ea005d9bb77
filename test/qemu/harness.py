"""
Machines under QEMU, for tests.

    machine = boot(image, cpus=2, nics=2, append="age=2")
    machine.wait_ready()
    machine.stats()["pages"]["free"]
    machine.command("services")          # what the console printed
    machine.halt()                       # QEMU must end by itself

A Machine keeps all that its console printed, for the report of a failure, and QEMU never outlives the test.
"""
import codecs
import json
import mmap
import pathlib
import re
import select
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time

from rest import LOOK, Rest

QEMU = "qemu-system-aarch64"
RAM_BASE = 0x40000000
LIMIT = 60  # seconds for what takes one at most: a busy host may run the machine late
DEVICES = {"mmio": "virtio-net-device", "pci": "virtio-net-pci,romfile="}


class MachineError(AssertionError):
    pass


class Nic:
    """
    One network interface. kind: stream (a unix socket, see Port), patient, dgram, or tap (value: the interface's name).
    patient is a stream whose far end may stop reading: QEMU connects to it, and only then does its socket not block.
    With stream, all of QEMU stands still until the far end reads again.
    transport: pci, mmio, or None for the machine's own. options: more of the -device option's, each behind a comma.
    """

    def __init__(self, kind="stream", value=None, mac=None, options="", transport=None):
        self.kind, self.value, self.mac, self.options, self.transport = kind, value, mac, options, transport
        self.connection = None

    def far_end(self):
        """The far end for the generator: a socket's path, or fd:N for one that is connected already."""
        return f"fd:{self.connection.fileno()}" if self.kind == "patient" else self.path

    def arguments(self, index, folder, transport):
        self.path = str(folder / f"nic{index}")
        if self.kind == "stream":
            backend = f"stream,id=n{index},server=on,addr.type=unix,addr.path={self.path}"
        elif self.kind == "patient":
            self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.listener.bind(self.path)
            self.listener.listen(1)
            backend = f"stream,id=n{index},server=off,addr.type=unix,addr.path={self.path}"
        elif self.kind == "dgram":
            backend = (f"dgram,id=n{index},local.type=unix,local.path={self.path}.qemu,"
                       f"remote.type=unix,remote.path={self.path}")
        else:
            backend = f"tap,id=n{index},ifname={self.value},script=no,downscript=no"
        mac = self.mac or f"52:54:00:00:00:{index + 1:02x}"
        device = DEVICES[self.transport or transport]
        return ["-netdev", backend, "-device", f"{device},netdev=n{index},mac={mac}{self.options}"]


class Machine:
    """A virt machine. Settings as keyword arguments, all with the values a plain boot would have."""

    def __init__(self, image, cpus=1, gic=3, virtualization=False, memory=512, modern=True, nics=2, append="",
                 initrd=None, dtb=None, bios=None, cpu="cortex-a72", icount=None, plugin=None, one_insn_per_tb=False,
                 shared_memory=False, raw=False, transport="mmio", options="", buses=(), extra=()):
        self.image, self.cpus, self.gic, self.virtualization = image, cpus, gic, virtualization
        self.memory, self.modern, self.append, self.initrd, self.dtb = memory, modern, append, initrd, dtb
        self.bios, self.cpu, self.icount, self.plugin = bios, cpu, icount, plugin
        self.one_insn_per_tb, self.shared_memory = one_insn_per_tb, shared_memory
        self.transport, self.options = transport, options  # of the NICs; of -M, each behind a comma
        self.raw, self.extra = raw, list(extra)  # raw: no -kernel, `extra` says how the machine starts
        self.buses = list(buses)                 # of -device, in front of the NICs that may be put on them
        self.nics = [Nic() for _ in range(nics)] if isinstance(nics, int) else list(nics)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="baton-"))
        self.title = f"{pathlib.Path(str(image)).name}, {cpus} CPUs, GICv{gic}"
        self.process = self.serial = self.qmp = None
        self.output = ""
        self.news = threading.Condition()
        self.ended = False
        self.fences = 0  # see command()

    # ---- Starting and ending ----

    def arguments(self):
        line = [QEMU, "-nodefaults", "-display", "none", "-no-reboot", "-cpu", self.cpu, "-smp", str(self.cpus),
                "-m", str(self.memory)]
        machine = f"virt,gic-version={self.gic}"
        machine += (",virtualization=on" if self.virtualization else "") + self.options
        if self.shared_memory:
            machine += ",memory-backend=ram"
            line += ["-object", f"memory-backend-file,id=ram,size={self.memory}M,share=on,"
                                f"mem-path={self.folder / 'ram'}"]
        line += ["-M", machine]
        if self.modern:
            line += ["-global", "virtio-mmio.force-legacy=false"]
        line += ["-accel", "tcg" + (",one-insn-per-tb=on" if self.one_insn_per_tb else "")]
        if self.bios:
            line += ["-bios", str(self.bios)]
        elif not self.raw:
            line += ["-kernel", str(self.image)]
        for option in ("append", "initrd", "dtb", "icount"):
            if getattr(self, option):
                line += [f"-{option}", str(getattr(self, option))]
        if self.plugin:
            line += ["-plugin", f"{self.plugin},socket={self.folder / 'plugin'}"]
        line += ["-chardev", f"socket,id=console,path={self.folder / 'console'},server=on,wait=on",
                 "-serial", "chardev:console",
                 "-qmp", f"unix:{self.folder / 'qmp'},server=on,wait=off"]
        for bus in self.buses:
            line += ["-device", bus]
        for index, nic in enumerate(self.nics):
            line += nic.arguments(index, self.folder, self.transport)
        extra = [word.replace("{folder}", str(self.folder)) for word in self.extra]
        return line + (["-nic", "none"] if not self.nics else []) + extra

    def start(self):
        self.errors = open(self.folder / "errors", "w+")
        # setpriv: QEMU dies with this process, however that ends.
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *self.arguments()],
                                        stdin=subprocess.DEVNULL, stdout=self.errors, stderr=self.errors)
        self.serial = self.connect("console")
        threading.Thread(target=self.read_console, daemon=True).start()
        for nic in self.nics:
            if nic.kind == "patient":
                nic.connection = nic.listener.accept()[0]
                nic.listener.close()

    def connect(self, name, limit=LIMIT):
        """A connection to one of QEMU's sockets in this machine's folder."""
        end = time.monotonic() + limit
        while True:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.connect(str(self.folder / name))
                return connection
            except OSError:
                connection.close()
                if self.process.poll() is not None or time.monotonic() > end:
                    raise MachineError(f"QEMU did not start:\n{self.qemu_errors()}") from None
                time.sleep(0.02)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait()
        for connection in [self.serial, *(nic.connection for nic in self.nics)]:
            if connection:
                connection.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def halt(self, limit=LIMIT):
        """The console's `halt`: the machine must power off, and QEMU end with status 0."""
        self.send("halt")
        self.wait_end(limit)

    def wait_end(self, limit=LIMIT):
        try:
            status = self.process.wait(limit)
        except subprocess.TimeoutExpired:
            raise MachineError(f"the machine was not powered off within {limit} s") from None
        if status:
            raise MachineError(f"QEMU ended with status {status}: {self.qemu_errors()}")

    def running(self):
        return self.process.poll() is None

    def qemu_errors(self):
        try:
            return (self.folder / "errors").read_text()
        except OSError:
            return ""

    # ---- The console ----

    def read_console(self):
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while True:
            try:
                data = self.serial.recv(65536)
            except OSError:
                data = b""
            if 0 < len(data) < 64:
                time.sleep(0.001)  # QEMU writes byte by byte: else each would cost this process a wake-up, and a copy of the output
            with self.news:
                self.output += decoder.decode(data).replace("\r", "")
                self.ended = not data
                self.news.notify_all()
            if not data:
                return

    def console_text(self):
        with self.news:
            return self.output

    def mark(self):
        """A place in the console's output, from which wait_for() may look on."""
        with self.news:
            return len(self.output)

    def wait_for(self, pattern, limit=LIMIT, since=0):
        """Waits until a regular expression matches in the output after `since`; returns the match."""
        end = time.monotonic() + limit
        with self.news:
            while True:
                found = re.search(pattern, self.output[since:], re.MULTILINE)
                if found:
                    return found
                rest = end - time.monotonic()
                if self.ended or rest <= 0:
                    why = "the machine ended" if self.ended else f"{limit} s passed"
                    raise MachineError(f"{why} and the console never said /{pattern}/")
                self.news.wait(rest)

    def wait_ready(self, limit=LIMIT):
        self.wait_for(r"^ready: .*\n", limit)
        return self

    def send(self, line):
        self.serial.sendall(line.encode() + b"\r")

    def command(self, line, limit=LIMIT):
        """
        Sends a line; returns all that it printed, without the echo. The console does one line after the other, so what it
        says to the next one, which is no command, ends the answer: how long either takes is nobody's promise.
        """
        start = self.mark()
        self.fences += 1
        fence = f"fence-{self.fences}"
        self.send(line)
        self.send(fence)
        end = start + self.wait_for(rf"^{fence}: no such command", limit, start).start()
        answer = self.console_text()[start:end].split("\n", 1)[-1]
        return answer.removesuffix(f"{fence}\n")

    def stats(self, limit=LIMIT):
        """`stats json` as a dictionary."""
        start = self.mark()
        self.send("stats json")
        line = self.wait_for(r"^(\{.*\})\n", limit, start).group(1)
        try:
            return json.loads(line)
        except ValueError as error:
            raise MachineError(f"stats json printed no JSON ({error}): {line}") from None

    def quiet_stats(self, like=None, limit=LIMIT):
        """
        Statistics at a quiet point: asks again until two answers, between which the machine slept for a while or had two seconds
        to (some have services that never sleep), have the same pages and NIC counts and, with `like`, as many free pages as those
        statistics have, or as that number says. A page that was given up is free when the CPUs have made
        their passes, and those that a busy host does not run make none: free pages are promised, the moment is not. What has
        not come back when the limit has passed is for the caller to find.
        """
        wanted = like["pages"]["free"] if isinstance(like, dict) else like
        end = time.monotonic() + limit
        before = self.stats()
        while True:
            rest, busy = Rest(self.process.pid), time.monotonic() + 2
            while rest.look() < 0.1 and time.monotonic() < busy:
                time.sleep(LOOK)
            after = self.stats()
            same = (before["pages"], before["net"]) == (after["pages"], after["net"])
            if same and wanted in (None, after["pages"]["free"]) or time.monotonic() > end:
                return after
            before = after

    # ---- The machine's inside ----

    def qmp_command(self, command, **arguments):
        if not self.qmp:
            self.qmp = self.connect("qmp").makefile("rw")
            self.qmp.readline()
            self.qmp_command("qmp_capabilities")
        self.qmp.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.qmp.flush()
        while True:
            answer = json.loads(self.qmp.readline())
            if "error" in answer:
                raise MachineError(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def queue(self, nic, queue):
        """Addresses of a NIC's virtqueue, as the device knows them: vring-desc, vring-avail, vring-used, vring-num."""
        devices = [d for d in self.qmp_command("x-query-virtio") if d["name"] == "virtio-net"]
        mac = bytes.fromhex((self.nics[nic].mac or f"52:54:00:00:00:{nic + 1:02x}").replace(":", ""))
        for device in devices:
            path = str(pathlib.PurePosixPath(device["path"]))
            value = self.qmp_command("qom-get", path=path, property="mac")
            if bytes.fromhex(value.replace(":", "")) == mac:
                return self.qmp_command("x-query-virtio-queue-status", path=path, queue=queue)
        raise MachineError(f"no virtio-net device with the address of NIC {nic}")

    def memory_map(self):
        """Guest RAM, shared with QEMU (shared_memory=True): index 0 is physical address RAM_BASE."""
        with open(self.folder / "ram", "r+b") as file:
            return mmap.mmap(file.fileno(), 0)

    def port(self, index):
        """The far end of a NIC's wire, for tests that send frames by hand."""
        return Port(self.nics[index].connection or self.connect(f"nic{index}"), self)

    def rest(self, seconds, limit=LIMIT):
        """Waits until the machine has slept for so long in all (rest.py): whatever was under way before has been done."""
        rest, end = Rest(self.process.pid), time.monotonic() + limit
        while rest.look() < seconds:
            if time.monotonic() > end:
                raise MachineError(f"the machine slept for {rest.seconds:.2f} s of {limit}, and was to for {seconds}")
            time.sleep(LOOK)


class Port:
    """A NIC's far end: whole frames as bytes."""

    def __init__(self, connection, machine):
        self.connection, self.machine, self.buffer = connection, machine, b""

    def send(self, frame):
        self.connection.sendall(struct.pack(">I", len(frame)) + frame)

    def receive(self, limit=LIMIT):
        """The next frame, or None when none came in time. Who expects one gives it time: a busy host may run the machine late."""
        end = time.monotonic() + limit
        while True:
            if len(self.buffer) >= 4:
                size = struct.unpack(">I", self.buffer[:4])[0]
                if len(self.buffer) >= 4 + size:
                    frame, self.buffer = self.buffer[4:4 + size], self.buffer[4 + size:]
                    return frame
            ready, _, _ = select.select([self.connection], [], [], max(0, end - time.monotonic()))
            if not ready:
                return None
            data = self.connection.recv(1 << 20)
            if not data:
                raise MachineError("the machine closed a NIC's connection")
            self.buffer += data

    def next(self, quiet=0.3, limit=LIMIT):
        """The next frame, or None when none came and the machine slept for so long in all meanwhile (rest.py)."""
        rest, end = Rest(self.machine.process.pid), time.monotonic() + limit
        while True:
            frame = self.receive(min(LOOK, max(0, quiet - rest.seconds)))
            if frame is not None or rest.seconds >= quiet:
                return frame
            rest.look()
            if time.monotonic() > end:
                raise MachineError(f"the machine slept for {rest.seconds:.2f} s of {limit}, and was to for {quiet}")

    def drain(self, quiet=0.3, count=0):
        """All frames until none has come while the machine slept for so long; `count` of them are expected, and waited for."""
        frames = []
        while True:
            frame = self.receive() if len(frames) < count else self.next(quiet)
            if frame is None:
                return frames
            frames.append(frame)

    def come(self, wait=0.0):
        """The frames that have come by now; before the first one it waits so long at most. That none has come says nothing."""
        frames = []
        while (frame := self.receive(0 if frames else wait)) is not None:
            frames.append(frame)
        return frames

    def close(self):
        self.connection.close()


def wait_until(condition, limit=LIMIT, pause=0.1):
    """Waits until condition() is true; returns its value."""
    end = time.monotonic() + limit
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        time.sleep(pause)
