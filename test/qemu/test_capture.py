"""Seeing frames: the pcapng of ./baton run --pcap, as tcpdump and a reader of its blocks see it; `trace packet`."""
import re
import struct
import subprocess
import sys
import threading

import pytest

from building import ROOT
from harness import LIMIT, wait_until
from naming import named

sys.path.insert(0, str(ROOT))
from tools.capture import Capture  # noqa: E402

HEADER = bytes([2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 0x88, 0xb6])
LENGTHS = [14, 60, 64, 65, 128, 129, 200, 1514]
RESERVED = bytes([1, 0x80, 0xc2, 0, 0, 1]) + HEADER[6:]


def frame_of(length, header=HEADER):
    return (header + bytes(i * 7 & 255 for i in range(1600)))[:length]


def blocks(path):
    """(type, body) of each block of a pcapng; its two lengths must agree, and nothing be left."""
    data, place = path.read_bytes(), 0
    while place < len(data):
        kind, size = struct.unpack_from("<II", data, place)
        assert size % 4 == 0 and struct.unpack_from("<I", data, place + size - 4)[0] == size
        yield kind, data[place + 8:place + size - 4]
        place += size


def options(data):
    found = {}
    while len(data) >= 4:
        code, size = struct.unpack_from("<HH", data)
        if code:
            found[code] = data[4:4 + size]
        data = data[4 + (size + 3) // 4 * 4:]
    return found


def read(path):
    """Names of the points; (point, time, length, bytes, comment) of each frame; comment of the last statistics block."""
    names, frames, last = [], [], ""
    for kind, body in blocks(path):
        if kind == 1:
            names.append(options(body[8:])[2].decode())
        elif kind == 6:
            point, high, low, caught, length = struct.unpack_from("<IIIII", body)
            rest = options(body[20 + (caught + 3) // 4 * 4:])
            frames.append((names[point], high << 32 | low, length, body[20:20 + caught], rest.get(1, b"").decode()))
        elif kind == 5:
            last = options(body[12:]).get(1, b"").decode()
    return names, frames, last




class Standing(Capture):
    """A recorder that reads nothing before it may."""

    go = threading.Event()

    def read(self):
        self.go.wait()
        super().read()


@pytest.fixture
def captured(boot, switch, tmp_path, monkeypatch):
    """boot with a capture; returns the machine and a function that ends it and reads the file."""
    path, real = tmp_path / "x.pcapng", subprocess.Popen

    def start(recorder=Capture, image=switch, **settings):
        capture = recorder(str(path), 2)
        with monkeypatch.context() as patch:
            patch.setattr(subprocess, "Popen", lambda words, **more: real(words, pass_fds=capture.kept, **more))
            machine = boot(image, append=capture.setting, extra=capture.words(2), **settings)
        machine.wait_for(r"^ready: \w+, 2 interfaces\n")

        def finish():
            missed = machine.stats()["capture"]["missed"]
            machine.halt()
            capture.close(missed)
            return path, missed
        return machine, finish
    return start


@named("capture-points-and-drops-{cpus}cpu")
@pytest.mark.parametrize("cpus", [1, 4])
def test_points(captured, cpus):
    machine, finish = captured(cpus=cpus)
    one, two = machine.port(0), machine.port(1)
    for length in LENGTHS:
        one.send(frame_of(length))
        assert two.receive() == frame_of(length)
    for length, header in ((100, RESERVED), (500, RESERVED), (10, HEADER), (1600, HEADER)):
        one.send(frame_of(length, header))
    assert two.drain(0.5) == []
    stats = machine.quiet_stats()
    pages = stats["pages"]
    assert stats["copied"]["payload_bytes"] == 0 and pages["mapped"] == 0, "the device reads the pages where they lie"
    assert pages["free"] + pages["owned"] + pages["in_flight"] == pages["total"]
    path, missed = finish()

    names, frames, last = read(path)
    assert names == ["net0.in", "net0.out", "net1.in", "net1.out", "drops"]
    assert missed == 0 and last == "0 frames were not captured, at all points together"
    came = [frame[2:4] for frame in frames if frame[0] == "net0.in"]
    expected = [(length, frame_of(length)) for length in LENGTHS]
    assert came == expected + [(length, frame_of(length, RESERVED)) for length in (100, 500)]
    assert [frame[2:4] for frame in frames if frame[0] == "net1.out"] == expected
    dropped = sorted((frame[4], frame[2], frame[3]) for frame in frames if frame[0] == "drops")
    assert dropped == sorted([
        ("dropped at net0: giant", 1600, frame_of(128)),
        ("dropped at net0: reserved", 100, frame_of(100, RESERVED)), ("dropped at net0: reserved", 500, frame_of(500, RESERVED)),
        ("dropped at net0: runt", 10, frame_of(10))])
    for length in LENGTHS:
        way = [frame[1] for frame in frames if frame[3] == frame_of(length) and frame[0] != "drops"]
        assert len(way) == 2 and way[0] < way[1] < way[0] + LIMIT * 10 ** 9, "in before out"

    done = subprocess.run(["tcpdump", "-nnr", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"^\d\d:", done.stdout, re.MULTILINE)) == len(frames)


@named("capture-router-drops")
def test_router(captured, build, tmp_path):
    config = tmp_path / "router.conf"
    config.write_text("interface net0 10.0.0.1/24\ninterface net1 10.0.1.1/24\n")
    machine, finish = captured(image=build.image("router"), initrd=config)
    frame = bytes.fromhex("525400000001") + frame_of(300)[6:]  # of a type that no router knows
    machine.port(0).send(frame)
    assert wait_until(lambda: machine.stats()["net"][0]["dropped"].get("ethertype") == 1)
    assert machine.stats()["copied"]["payload_bytes"] == 0
    _, frames, _ = read(finish()[0])
    assert [(row[0], *row[2:]) for row in frames if row[3] == frame] == [
        ("net0.in", 300, frame, ""), ("drops", 300, frame, "dropped at net0: ethertype")]


@named("capture-that-cannot-keep-up")
def test_slow(captured):
    """The recorder stands still: traffic passes all the same, and what was missed is told."""
    machine, finish = captured(Standing, cpus=2)
    one, two = machine.port(0), machine.port(1)
    sent = 3000
    for _ in range(sent // 100):
        for _ in range(100):
            one.send(frame_of(1514))
        for _ in range(100):
            assert two.receive() == frame_of(1514)
    before = machine.stats()
    assert before["capture"]["missed"] > 1000 and before["net"][1]["tx_frames"] == sent
    Standing.go.set()
    assert wait_until(lambda: re.search(r"^capture +capture +0 ", machine.command("ports"), re.MULTILINE))
    one.send(frame_of(60))  # a record that says how many before it were missed
    assert two.receive() == frame_of(60)
    path, missed = finish()
    _, frames, last = read(path)
    assert last.startswith(f"{missed} frames")
    assert len(frames) + missed == 2 * sent + 2
    told = sum(int(found) for frame in frames for found in re.findall(r"(\d+) frames before this one", frame[4]))
    assert told == missed


@named("trace-packet")
def test_trace(boot, switch):
    machine = boot(switch, cpus=2)
    machine.wait_ready()
    one, two = machine.port(0), machine.port(1)
    for wrong in ("trace", "trace packet 0", "trace packet 17", "trace packet x", "trace frames"):
        assert "takes `packet`" in machine.command(wrong)
    start = machine.mark()
    machine.send("trace packet 3")
    machine.wait_for(r"^trace packet 3\n", since=start)
    for length, header in ((60, HEADER), (1514, HEADER), (200, RESERVED)):
        one.send(frame_of(length, header))
    machine.wait_for(r"^trace: 3 of 3 frames\n", since=start)
    rows = machine.console_text()[start:].split("frame ")[1:]
    for row, length in zip(rows, (60, 1514)):
        assert row.split("\n")[0][3:] == f"{length} bytes, 02:00:00:00:00:01 to 02:00:00:00:00:09, type 88b6"
        stations = re.findall(r"^ +(\d+) .* (\d+) ns ", row, re.MULTILINE)
        assert [int(station) for station, _ in stations] == [1, 3, 4, 6, 7, 9, 10]
        times = [int(time) for _, time in stations]
        assert times == sorted(times) and times[0] == 0
        assert re.search(r"^ +5 decide +forward: to net1$", row, re.MULTILINE)
    assert re.search(r"^ +5 decide +forward: not sent on; `stats` counts why$", rows[2], re.MULTILINE)
    assert [two.receive() for _ in range(2)] == [frame_of(60), frame_of(1514)]
    machine.halt()
