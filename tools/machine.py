"""An image running under QEMU's virt machine, and its console."""
import json
import os
import signal
import socket
import subprocess
import threading
import time

from tools.common import Failure

BOOT_LIMIT = 60    # seconds until the appliance must have said that it is ready
ANSWER_LIMIT = 60
NIC = "virtio-net-pci,romfile="  # no boot ROM: its file is in a package that is not needed otherwise
EXPORT_LIMIT = 120  # the console prints about 10,000 entries of the ledger a second


class Nic:
    """A NIC on a netdev of QEMU (its value without the id), or on a descriptor: of a tap, or of a stream socket."""

    def __init__(self, spec=None, tap=None, stream=None):
        self.kept = [end for end in (tap, stream) if end is not None]
        self.spec = spec or (f"tap,fd={tap}" if stream is None
                             else f"stream,server=off,addr.type=fd,addr.str={stream}")

    def words(self, number):
        back = f"{self.spec},id=n{number}"
        return ["-netdev", back, "-device", f"{NIC},netdev=n{number},mac=52:54:00:00:00:{number + 1:02x}"]


def disk_words(number, file):
    escaped = str(file).replace(",", ",,")
    return ["-drive", f"if=none,id=d{number},format=raw,file={escaped}", "-device", f"virtio-blk-device,drive=d{number}"]


def command_line(image, cpus=4, memory=512, placement=None, config=None, nics=(), disks=(), settings=(),
                 cpu="cortex-a72"):
    words = ["qemu-system-aarch64", "-machine", "virt,gic-version=3", "-cpu", cpu, "-smp", str(cpus), "-m", str(memory),
             "-nodefaults", "-display", "none", "-no-reboot", "-kernel", str(image),
             "-global", "virtio-mmio.force-legacy=false"]
    settings = [*settings, *[f"placement={placement}"] * bool(placement)]
    words += ["-append", " ".join(settings)] if settings else []
    words += ["-initrd", config] if config else []
    for number, nic in enumerate(nics):
        words += nic.words(number)
    for number, disk in enumerate(disks):
        words += disk_words(number, disk)
    return words + ([] if nics else ["-nic", "none"])


class Machine:
    def __init__(self, words, nics=()):
        self.lines, self.rest, self.ended, self.errors = [], "", False, ""
        self.news = threading.Condition()
        self.console, theirs = socket.socketpair()
        words = words + ["-chardev", f"socket,id=console,fd={theirs.fileno()}", "-serial", "chardev:console"]
        with theirs:
            self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *words], stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
                                            pass_fds=[theirs.fileno(), *(end for nic in nics for end in nic.kept)])
        self.readers = [threading.Thread(target=work, daemon=True) for work in (self.read_console, self.read_errors)]
        for reader in self.readers:
            reader.start()

    # ---- What comes from it ----

    def read_console(self):
        while True:
            try:
                data = self.console.recv(65536)
            except OSError:
                data = b""
            with self.news:
                if data:
                    *lines, self.rest = (self.rest + data.decode(errors="replace").replace("\r", "")).split("\n")
                    self.lines += lines
                self.ended = not data
                self.news.notify_all()
            if not data:
                return

    def read_errors(self):
        for line in self.process.stdout:
            self.errors += line.decode(errors="replace")

    def story(self):
        """The end of what it said, to show when something went wrong."""
        with self.news:
            lines = [*self.lines, self.rest][-40:]
        text = "\n".join(f"    | {line}" for line in lines if line and not line.startswith("{"))
        return f"its console said last:\n{text}" + (f"\nQEMU said: {self.errors.strip()}" if self.errors else "")

    def alive(self):
        return self.process.poll() is None

    def expect(self, begins, seconds, since=0, failed=None):
        """Waits for a line that begins so, after line number `since`; returns it. One that begins with `failed` ends the wait."""
        end = time.monotonic() + seconds
        with self.news:
            place = since
            while True:
                while place < len(self.lines):
                    line, place = self.lines[place], place + 1
                    # A line may stand behind a prompt.
                    start = line.find(begins)
                    if 0 <= start <= 8:
                        return line[start:]
                    if "panic" in line.lower():
                        self.news.wait(1)  # the report follows
                        raise Failure("the guest stopped with a panic; " + self.story_unlocked())
                    if failed and line.startswith(failed):
                        raise Failure("the guest gave up; " + self.story_unlocked())
                if self.ended or time.monotonic() > end:
                    break
                self.news.wait(end - time.monotonic())
        if self.ended:
            self.process.wait(5)
            raise Failure("the machine ended by itself; " + self.story())
        raise Failure(f"the guest did not say \"{begins.strip()}...\" within {seconds} s; " + self.story())

    def story_unlocked(self):
        return "its console said last:\n" + "\n".join(f"    | {line}" for line in self.lines[-40:] if line)

    # ---- What is asked of it ----

    def send(self, line):
        try:
            self.console.sendall(line.encode() + b"\r")
        except OSError:
            raise Failure("the machine ended by itself; " + self.story()) from None

    def wait_ready(self):
        self.expect("Baton ", BOOT_LIMIT)
        return self.expect("ready: ", BOOT_LIMIT)

    def stats(self):
        since = len(self.lines)
        self.send("stats json")
        line = self.expect("{", ANSWER_LIMIT, since)
        try:
            return json.loads(line)
        except ValueError as error:
            raise Failure(f"`stats json` printed no JSON ({error}): {line}") from None

    def trace(self):
        """What the ledger has noted, as `trace export` prints it; it is off then."""
        since = len(self.lines)
        self.send("trace off")
        self.send("trace export")
        self.expect("ledger end ", EXPORT_LIMIT, since)
        with self.news:
            text = "\n".join(self.lines[since:])
            del self.lines[since:]
        return text

    def remarks(self):
        """What it said by itself: neither answers nor echoes of what was asked."""
        with self.news:
            return [line for line in self.lines if line.strip() and "{" not in line and "stats json" not in line]

    def halt(self):
        self.send("halt")
        try:
            status = self.process.wait(ANSWER_LIMIT)
        except subprocess.TimeoutExpired:
            raise Failure(f"`halt` did not power the machine off; {self.story()}") from None
        if status:
            raise Failure(f"QEMU ended with status {status}; {self.story()}")

    def kill(self):
        if self.alive():
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for reader in self.readers:
            reader.join(2)
        self.console.close()
        self.process.stdout.close()
