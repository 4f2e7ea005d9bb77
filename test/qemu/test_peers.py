"""
The guests that Baton is measured against (tools/peer.py): how they are made, without fetching anything; and, with --long, each
of them fetched, booted, and held to what the generator says of it.
"""
import os
import re
import subprocess
import sys

import pytest

from building import ROOT
from naming import long, named
from traffic import assert_all_arrived

sys.path.insert(0, str(ROOT))

from tools import apt, cpio, peer, peer_guest, rig, setup, trial  # noqa: E402
from tools.common import Failure  # noqa: E402
from tools.machine import Machine  # noqa: E402

ALL = [one for kind in ("linux", "dpdk") for one in peer.of(kind)]


# ---- The archive ----

def listed(archive):
    """{name: (mode, size or device)} of a cpio archive, as GNU cpio reads it."""
    done = subprocess.run(["cpio", "-itv", "--numeric-uid-gid"], input=archive, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0 and b"blocks" in done.stderr, done.stderr.decode()
    found = {}
    for line in done.stdout.decode().splitlines():
        mode, _, _, _, rest = line.split(None, 4)
        size, name = re.match(r"(\d+, +\d+|\d+) +\w+ +\d+ +\S+ +(.*)", rest).groups()
        found[name] = (mode, re.sub(" ", "", size))
    return found


@named("peers-archive")
def test_archive(tmp_path):
    archive = cpio.Archive()
    archive.device("dev/console", 5, 1)
    archive.file("bin/tool", b"12345")
    archive.file("modules/00-one.ko", bytes(4096), 0o644)
    archive.link("bin/sh", "tool")
    data = archive.bytes()
    assert listed(data) == {
        "dev": ("drwxr-xr-x", "0"), "dev/console": ("crw-------", "5,1"), "bin": ("drwxr-xr-x", "0"),
        "bin/tool": ("-rwxr-xr-x", "5"), "modules": ("drwxr-xr-x", "0"), "modules/00-one.ko": ("-rw-r--r--", "4096"),
        "bin/sh -> tool": ("lrwxrwxrwx", "4")}
    subprocess.run(["cpio", "-id", "bin/*"], input=data, cwd=tmp_path, check=True, stderr=subprocess.DEVNULL)
    assert (tmp_path / "bin/sh").read_bytes() == b"12345"


@named("peers-modules-in-order")
def test_modules(tmp_path):
    place = tmp_path / "lib/modules/6.1/kernel/drivers"
    place.mkdir(parents=True)
    for name, needs in (("net", "failover,bus-one"), ("bus-one", "ring"), ("ring", ""), ("failover", ""), ("other", "")):
        (place / f"{name}.ko").write_bytes(b"\x7fELF\0license=GPL\0depends=%s\0name=x\0" % needs.encode())
    (place.parent.parent / "modules.builtin").write_text("kernel/drivers/virtio-pci.ko\n")
    names = [name for name, _ in peer_guest.in_order(tmp_path, ["ring", "virtio_pci", "net"])]
    assert names == ["ring", "failover", "bus_one", "net"]
    with pytest.raises(Failure, match="no module wifi"):
        peer_guest.in_order(tmp_path, ["wifi"])


@named("peers-scripts-parse")
def test_scripts():
    for script in sorted(peer_guest.SCRIPTS.glob("*.sh")):
        subprocess.run(["sh", "-n", script], check=True)
        # What they call is in the guest.
        words = set(re.findall(r"^\s*(?:sleep|cat|mount|insmod|stty|uname|mkdir|mkfifo|chmod|sync|poweroff)\b", script.read_text(), re.M))
        assert {word.strip() for word in words} <= set(peer_guest.COMMANDS)


# ---- What is fetched, and when ----

class Packages:
    """In place of apt: what a mirror has, and whether it can be reached."""

    def __init__(self):
        self.available = {"busybox-static": "1", "iproute2": "1", "linux-image-6-arm64": "6"}
        self.reachable, self.updates, self.fetched = True, 0, []

    def ready(self):
        pass

    def update(self):
        self.updates += 1
        if not self.reachable:
            raise Failure("apt-get update failed")

    def kernel_image(self):
        return next((name for name in self.available if name.startswith("linux-image")), None)

    def closure(self, words):
        if not set(words) <= set(self.available):
            raise Failure(f"apt finds no way to have {', '.join(words)}")
        return {word: self.available[word] for word in words}

    def versions(self, name):
        return [self.available[name]] if name in self.available else []

    def fetch(self, words, place):
        if not self.reachable:
            raise Failure("fetching 3 packages failed")
        self.fetched.append(sorted(words))


@pytest.fixture
def packages(monkeypatch, tmp_path):
    found = Packages()

    def unpack(recipe, tool, versions, work):
        tool.fetch([f"{name}={version}" for name, version in versions.items()], work) if tool.reachable else missing()
        tree = work / "tree"
        for name, content in (("boot/vmlinuz-6", b"kernel"), ("bin/busybox", b"busybox"), ("bin/ip", b"ip")):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_bytes(content)
        return tree

    def missing():
        raise peer_guest.Missing("fetching 3 packages failed")
    monkeypatch.setattr(peer_guest, "FOLDER", tmp_path / "peers")
    monkeypatch.setattr(peer_guest, "unpack", unpack)
    monkeypatch.setattr(peer_guest, "in_order", lambda tree, names: [("bridge", b"module")])
    monkeypatch.setattr(peer_guest, "with_libraries", lambda tree, paths: paths)
    monkeypatch.setattr(setup, "release", lambda: "bookworm")
    monkeypatch.setattr(apt.Apt, "private", classmethod(lambda *_, **__: found))
    monkeypatch.setattr(apt, "lists_changed", lambda architecture: found.updates * 1e12)
    return found


def linux():
    return peer.of("linux")[0]


@named("peers-made-once")
def test_made_once(packages):
    for _ in range(2):
        one = linux()
        one.prepare()
        assert one.files.kernel.read_bytes() == b"kernel"
        assert "bin/ip" in listed(one.files.initramfs.read_bytes())
    assert packages.fetched == [["busybox-static=1", "iproute2=1", "linux-image-6-arm64=6"]]
    # Newer lists with the same versions, and then with another one.
    packages.updates = 1
    linux().prepare()
    assert len(packages.fetched) == 1
    packages.available["iproute2"] = "2"
    linux().prepare()
    assert packages.fetched[1:] == [["busybox-static=1", "iproute2=2", "linux-image-6-arm64=6"]]
    assert os.listdir(peer_guest.FOLDER) == ["linux"], "something was left over"


@named("peers-made-again-when-the-recipe-changes")
def test_recipe(packages, monkeypatch, tmp_path):
    linux().prepare()
    one = linux()
    script = tmp_path / "other.sh"
    script.write_text(one.recipe.script.read_text() + "# another one\n")
    monkeypatch.setattr(one.recipe, "script", script)
    one.prepare()
    assert len(packages.fetched) == 2


@named("peers-absent-{why}")
@pytest.mark.parametrize("why", ["offline", "package", "kernel", "no-debian"])
def test_absent(packages, why, monkeypatch):
    text = "Linux bridge is absent: "
    if why == "offline":
        packages.reachable = False
        text += "apt-get update failed"
    elif why == "package":
        del packages.available["iproute2"]
        text += "apt finds no way to have busybox-static, iproute2"
    elif why == "kernel":
        del packages.available["linux-image-6-arm64"]
        text += "apt knows no linux-image-arm64"
    else:
        monkeypatch.setattr(setup, "release", lambda: None)
        text += "this is no Debian, of whose packages it would be made"
    with pytest.raises(peer.Absent) as raised:
        linux().prepare()
    assert str(raised.value) == text
    assert packages.updates == (why != "no-debian")
    assert not list(peer_guest.FOLDER.glob("*/kernel"))


@named("peers-offline-the-old-one-is-used")
def test_offline_old(packages, capsys):
    linux().prepare()
    packages.available["iproute2"], packages.reachable, packages.updates = "2", False, 1
    one = linux()
    one.prepare()
    assert one.files.kernel.exists() and len(packages.fetched) == 1
    assert "used as it was made before" in capsys.readouterr().err


# ---- What a guest says ----

SPEAKER = """
import socket, sys
socket.socket(fileno=int(sys.argv[3].split("fd=")[1])).sendall(sys.argv[1].encode())
import time; time.sleep(30)
"""


@named("peers-failure-is-said-{how}")
@pytest.mark.parametrize("how, text, expected", [
    ("script", "hello\npeer failed: loading bridge.ko\n", "the guest gave up; its console said last:.*loading bridge.ko"),
    ("panic", "[ 1.0] Kernel panic - not syncing: no init\n", "the guest stopped with a panic; .*no init"),
], ids=["script", "panic"])
def test_failure(how, text, expected):
    machine = Machine([sys.executable, "-c", SPEAKER, text])
    try:
        with pytest.raises(Failure, match=re.compile(expected, re.DOTALL)):
            linux().wait_ready(machine)
    finally:
        machine.kill()


# ---- The real ones ----

@pytest.fixture(params=[one.name for one in ALL])
def running(request):
    """Each of them in turn, booted on one CPU."""
    guest = next(one for one in ALL if one.name == request.param)
    guest.prepare()
    one = rig.Rig(guest, cpus=1)
    yield one
    one.close()


@long
@named("peers-forward-{id}")
@pytest.mark.timeout(900)
def test_forward(running):
    """Both ways, sizes mixed, every byte checked; and what the guest has counted is what passed."""
    for size, direction in ((60, "one"), (1514, "one"), ("imix", "both")):
        result, before, after = trial.run(running, size, direction, frames=20000, window=64)
        assert_all_arrived(result)
        assert (before is None) == running.guest.polls
        assert before is None or after["net"][1]["tx_frames"] - before["net"][1]["tx_frames"] == result["ports"][1]["in"]


@long
@named("peers-silent-{id}")
@pytest.mark.timeout(900)
def test_silent(running):
    """Nothing comes from a guest by itself, from its boot on: a frame of its own would be one too many in a measurement."""
    for end in running.ends:
        end.settimeout(2)
        with pytest.raises(TimeoutError):
            end.recv(1)


@long
@named("peers-say-what-failed")
@pytest.mark.timeout(900)
def test_real_failure(monkeypatch):
    guest = linux()
    guest.prepare()
    monkeypatch.setattr(guest, "settings", "peer=gateway")
    with pytest.raises(Failure, match=re.compile("gave up.*peer failed: setting up the gateway", re.DOTALL)):
        rig.Rig(guest, cpus=1).close()
