"""
The generators themselves, the tests' own one and the one that `./baton run` has where there can be no hosts: they must see
every fault of a wire, or nothing that uses them means anything.
"""
import select
import socket
import struct
import sys
import threading

import pytest

from building import ROOT
from naming import named
from traffic import generate, assert_all_arrived

sys.path.insert(0, str(ROOT))

from tools import generator as stations  # noqa: E402
from tools.common import Failure  # noqa: E402
from tools.wire import Wire as End  # noqa: E402

FRAMES = 3000
VICTIM = 1500


class Wire:
    """Joins two stream sockets as a cable would, but for one fault at the VICTIMth data frame from end 0 to end 1."""

    def __init__(self, folder, fault):
        self.fault, self.count, self.held = fault, 0, None
        self.paths = [str(folder / "a"), str(folder / "b")]
        self.listeners = []
        for path in self.paths:
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listener.bind(path)
            listener.listen(1)
            self.listeners.append(listener)
        self.thread = threading.Thread(target=self.carry, daemon=True)
        self.thread.start()

    def altered(self, frame):
        """What comes out for one frame that went in."""
        if self.held is not None:
            out, self.held = [frame, self.held], None
            return out
        if len(frame) < 34 or frame[14:16] == b"\xff\xff" or frame[20:28] == b"\xff" * 8:
            return [frame]
        self.count += 1
        if self.count != VICTIM:
            return [frame]
        if self.fault == "reorder":
            self.held = frame
            return []
        return {
            "nothing-wrong": [frame],
            "loss": [],
            "double": [frame, frame],
            "bit-payload": [frame[:-1] + bytes([frame[-1] ^ 1])],
            "bit-address": [frame[:5] + bytes([frame[5] ^ 8]) + frame[6:]],
            "short": [frame[:-1]],
            "long": [frame + b"\0"],
            "stranger": [frame, b"\xff" * 12 + b"\x08\x06" + bytes(46)],
        }[self.fault]

    def carry(self):
        ends = [listener.accept()[0] for listener in self.listeners]
        buffers = [b"", b""]
        while True:
            for source in select.select(ends, [], [])[0]:
                side = ends.index(source)
                try:
                    data = source.recv(1 << 16)
                except OSError:
                    return
                if not data:
                    return
                buffers[side] += data
                while len(buffers[side]) >= 4:
                    size = struct.unpack(">I", buffers[side][:4])[0]
                    if len(buffers[side]) < 4 + size:
                        break
                    frame, buffers[side] = buffers[side][4:4 + size], buffers[side][4 + size:]
                    for out in self.altered(frame) if side == 0 else [frame]:
                        ends[1 - side].sendall(struct.pack(">I", len(out)) + out)


EXPECTED = {
    "nothing-wrong": {},
    "loss": {"lost": 1},
    "double": {"duplicated": 1},
    "reorder": {"reordered": 1},
    "bit-payload": {"wrong": 1, "lost": 1},
    "bit-address": {"wrong": 1, "lost": 1},
    "short": {"wrong": 1, "lost": 1},
    "long": {"wrong": 1, "lost": 1},
    "stranger": {"foreign": 1},
}


@named("generator-sees-{fault}")
@pytest.mark.parametrize("fault", EXPECTED)
def test_generator(tmp_path, fault):
    wire = Wire(tmp_path, fault)
    result = generate(wire.paths, frames=FRAMES, size="60,512", stall=1)
    seen = {key: result[key] for key in ("lost", "wrong", "duplicated", "reordered", "misdelivered", "foreign")}
    assert seen == {**dict.fromkeys(seen, 0), **EXPECTED[fault]}
    assert result["received"] == 2 * FRAMES - seen["lost"]
    if fault == "nothing-wrong":
        assert_all_arrived(result)
    elif fault != "reorder":
        with pytest.raises(AssertionError):
            assert_all_arrived(result)


@named("run-generator-sees-{fault}")
@pytest.mark.parametrize("fault", [fault for fault in EXPECTED if fault != "reorder"])
def test_stations(tmp_path, monkeypatch, fault):
    """Reordering is no fault between hosts, so it is none here."""
    monkeypatch.setattr(stations, "PATIENCE", 1)
    wire = Wire(tmp_path, fault)
    ends = [stations.Station(name, f"10.0.0.{number + 1}", f"02:00:00:00:00:0{name}") for number, name in enumerate("ab")]
    for end, path in zip(ends, wire.paths):
        end.close()
        far = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        far.connect(path)
        end.wire = End(far)
    words = {"nothing-wrong": None, "double": "1 twice", "stranger": "1 strange", "loss": "1 lost"}
    expected = words.get(fault, "1 lost, 1 wrong")
    try:
        if expected is None:
            assert stations.packets(*ends, [60, 512], 1, lambda: None)[1]["received"] > VICTIM
        else:
            with pytest.raises(Failure, match=f"frames {expected}$"):
                stations.packets(*ends, [60, 512], 1, lambda: None)
    finally:
        for end in ends:
            end.wire.close()
