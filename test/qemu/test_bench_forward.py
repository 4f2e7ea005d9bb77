"""./baton bench forward: the form of what it writes, that its numbers add up, and that it refuses what it must not show."""
import argparse
import copy
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import types

import pytest

from building import ROOT
from naming import alone, long, named
from test_bench import bench

from tools import bench_forward, bench_forward_plot, bench_forward_report, bench_options, bench_throughput, peer, placing, rig, trial
from tools.common import Failure

KEYS = ["guest", "title", "routed", "polls", "cpus", "size", "window", "directions", "frames_per_second", "loss", "latency_us",
        "cpu_busy", "cpu_idle", "instructions", *bench_forward_report.COUNTERS]
QUICK = ["--cpus", "1", "--directions", "one", "--runs", "2", "--seconds", "0.2"]


def results_of(tmp_path, *words, **how):
    file = tmp_path / "results.json"
    text = bench("forward", "--json", str(file), *words, **how)
    results = json.loads(file.read_text())
    assert list(results) == ["rows", "refused", "absent", "commands", "generator_alone", "generator_ahead"]
    return results, text


def check_row(row):
    assert sorted(row) == sorted(KEYS), row
    rate, latency, counted = row["frames_per_second"], row["latency_us"], row["instructions"]
    assert rate["min"] <= rate["median"] <= rate["max"] and rate["min"] > 0
    assert row["loss"] == 0 and 0 < latency["min"] <= latency["median"] <= latency["p99"]
    assert counted["lower"] == min(counted["plain"], counted["one_insn_per_tb"]) > 0
    assert all(row[name] is None or row[name] >= 0 for name in bench_forward_report.COUNTERS)


@named("bench-forward-quick")
@alone
def test_quick(tmp_path):
    results, text = results_of(tmp_path, "--sizes", "60,imix", "--windows", "1,32", *QUICK)
    rows = {(row["size"], row["window"]): row for row in results["rows"]}
    assert set(rows) == {("60", 1), ("60", 32), ("imix", 1), ("imix", 32)} and not results["refused"] and not results["absent"]
    for row in rows.values():
        check_row(row)
        assert len(row["frames_per_second"]["runs"]) == 2
        assert not any(row[name] for name in ("tlbi_local", "tlbi_broadcast", "pages_mapped")), f"payload was touched: {row}"
        assert 0 < row["bytes_copied"] <= 256 and row["register_accesses"] > 0
        assert row["cpu_idle"] is None or row["cpu_idle"] <= bench_forward.ASLEEP
    counts = {key: row["instructions"]["lower"] for key, row in rows.items()}
    assert counts["60", 32] <= 1500 and counts["60", 32] < counts["60", 1]
    assert rows["imix", 32]["bytes_copied"] > rows["60", 32]["bytes_copied"] == pytest.approx(120, abs=2)
    assert all(results["generator_alone"][size] > 4 * row["frames_per_second"]["max"] for (size, _), row in rows.items())
    assert "qemu-system-aarch64" in text and all("-M" in line or "-machine virt" in line for line in results["commands"].values())


TWO_THREADS = "import threading, sys; threading.Thread(target=sys.stdin.read).start(); print(threading.active_count(), flush=True)"


@named("bench-forward-places")
def test_places():
    """A guest's CPUs get processors of their own when one is left for all others, and afterwards everybody is free again."""
    assert placing.places(1, {2, 5}) == ([2], [5]) and placing.places(2, {0, 1, 2, 3}) == ([0, 1], [2, 3])
    assert placing.places(2, {0, 1}) is None and placing.places(1, {0}) is None
    everywhere = os.sched_getaffinity(0)
    with subprocess.Popen([sys.executable, "-c", TWO_THREADS], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        tasks = sorted(pathlib.Path(f"/proc/{process.pid}/task").iterdir(), key=lambda task: int(task.name))
        guest = types.SimpleNamespace(cpus=1, threads=[tasks[1] / "schedstat"], machine=types.SimpleNamespace(process=process))

        def allowed():
            return [os.sched_getaffinity(int(task.name)) for task in tasks]

        with placing.apart(guest, False) as words:
            assert words == [] and allowed() == [everywhere, everywhere]
        with placing.apart(guest, True) as words:
            found = placing.places(1, everywhere)
            assert allowed() == ([set(found[1]), set(found[0])] if found else [everywhere, everywhere])
            assert words == (["taskset", "--cpu-list", ",".join(map(str, found[1]))] if found else [])
            assert subprocess.run([*words, "true"]).returncode == 0
        assert allowed() == [everywhere, everywhere]
        process.stdin.close()


@named("bench-forward-refuses-{what}")
@pytest.mark.parametrize("what", ["lost", "doubled", "damaged"])
def test_spoilt(tmp_path, what):
    """The same machine, behind a wire that mistreats one frame."""
    results, text = results_of(tmp_path, "--sizes", "60", "--windows", "32", "--spoil", what, *QUICK, status=1)
    assert results["rows"] == [] and "frames/s and latency" not in text
    word = {"lost": "1 lost", "doubled": "1 duplicated", "damaged": "1 wrong, 1 lost"}[what]
    assert len(results["refused"]) == 1 and results["refused"][0]["why"].endswith(word), results["refused"]
    assert "no figure: baton-switch, 60, 32, one, 1: of " in text


def choice(**chosen):
    """Options as ./baton has them, for what is done without it."""
    return types.SimpleNamespace(**{"versus": None, "appliance": "switch", "placement": None, "memory": 512, "sizes": ["60"],
                                    "windows": [32], "directions": ["one"], "cpus": [1], "runs": 1, "seconds": 0.1,
                                    "throughput": None, "spoil": None, **chosen})


RIGHT = {"flows": [{"sent": 10, "received": 10, "not_offered": 0, "blocked": 0}], "received": 10,
         "lost": 0, "wrong": 0, "duplicated": 0, "reordered": 0, "misdelivered": 0, "foreign": 0,
         "ports": [{"out": 12, "in": 1, "unsent": False}, {"out": 1, "in": 12, "unsent": False}],
         "measured": {"frames": 10, "seconds": 1, "under_way": 0}}
STUCK = {**RIGHT, "ports": [RIGHT["ports"][0], {**RIGHT["ports"][1], "unsent": True}]}
BEFORE = {"net": [{"name": f"net{n}", "rx_frames": 100, "tx_frames": 200} for n in (0, 1)],
          "pages": {"free": 5, "owned": 3, "in_flight": 2, "total": 10},
          "services": [{"name": "forward", "state": "running"}]}
AFTER = {**BEFORE, "net": [{"name": "net0", "rx_frames": 112, "tx_frames": 201},
                           {"name": "net1", "rx_frames": 101, "tx_frames": 212}]}


def refused(function, *arguments):
    with pytest.raises(trial.Refused) as caught:
        function(*arguments)
    return str(caught.value)


@named("bench-forward-refuses-counters-that-do-not-add-up")
def test_counters():
    """A run of ten frames; each number altered is refused."""
    trial.check_frames(RIGHT)
    trial.check_counters(RIGHT, BEFORE, AFTER)
    for nic in (0, 1):
        for name in ("rx_frames", "tx_frames"):
            for wrong in (-1, 1):
                after = copy.deepcopy(AFTER)
                after["net"][nic][name] += wrong
                assert f"net{nic} says" in refused(trial.check_counters, RIGHT, BEFORE, after)
    for name in BEFORE["pages"]:
        after = copy.deepcopy(AFTER)
        after["pages"][name] -= 1
        assert "pages are missing" in refused(trial.check_counters, RIGHT, BEFORE, after)
    after = copy.deepcopy(AFTER)
    after["services"][0]["state"] = "stopped"
    assert "service forward is stopped" in refused(trial.check_counters, RIGHT, BEFORE, after)


@named("bench-forward-refuses-frames-that-are-not-right")
def test_frames():
    for name in ("lost", "wrong", "duplicated", "reordered", "misdelivered", "foreign"):
        assert f"1 {name}" in refused(trial.check_frames, {**RIGHT, name: 1})
    trial.check_frames({**RIGHT, "lost": 1}, True)
    assert "no frame" in refused(trial.check_frames, {**RIGHT, "received": 0})
    assert "stopped taking" in refused(trial.check_frames, STUCK)


@named("bench-forward-refuses-a-guest-that-stays-awake")
def test_awake():
    """Not one that is known to poll."""
    guest = types.SimpleNamespace(name="g", polls=False)
    work = bench_forward.Measurement(choice(), [guest])
    one = types.SimpleNamespace(guest=guest, cpus=1, text=lambda: "", idle_share=lambda: 0.9)
    assert "awake while nothing comes: it uses 90 %" in refused(work.rate, one, {"runs": []}, work.cases[0])


# ---- The throughput search ----

@named("bench-forward-throughput-verdict")
def test_verdict():
    assert bench_throughput.verdict(RIGHT) is None
    assert "3 lost" in bench_throughput.verdict({**RIGHT, "lost": 3})
    late = {**RIGHT["flows"][0], "sent": 100}
    assert "2 not taken" in bench_throughput.verdict({**RIGHT, "flows": [{**late, "not_offered": 2, "blocked": 2}]})
    assert bench_throughput.verdict({**RIGHT, "flows": [{**late, "not_offered": 2}]}) is None
    assert "host was busy" in bench_throughput.verdict({**RIGHT, "flows": [{**late, "not_offered": 3}]})
    assert "stopped taking" in bench_throughput.verdict(STUCK)
    waiting = {**RIGHT["measured"], "under_way": bench_throughput.RINGS + 1}
    assert "under way" in bench_throughput.verdict({**RIGHT, "measured": waiting})


@named("bench-forward-throughput-halves-to-{truth}")
@pytest.mark.parametrize("truth", [1000, 7777, 12000])
def test_halving(truth):
    found = bench_throughput.halve(1000, 12500, lambda rate: rate <= truth)
    assert truth * (1 - 1.5 * bench_throughput.RESOLUTION) <= found <= truth
    assert bench_throughput.halve(1000, 12500, lambda rate: rate < 900) is None


@named("bench-forward-throughput")
@alone
def test_throughput(monkeypatch, build, capsys):
    """
    Coarser than it is for users, so that it takes a few trials. A busy host makes the guest wait for a processor, so that it takes
    frames too late; then no rate passes, and it is searched for again.
    """
    build.image("switch")
    monkeypatch.setattr(bench_throughput, "RESOLUTION", 0.5)
    for _ in range(12):
        refused_any, results = bench_forward.measure(choice(throughput=True, sizes=["imix"], seconds=0.3), "virt")
        if not refused_any:
            break
        assert all("not taken at their time" in row["why"] for row in results["refused"]), results["refused"]
    assert not refused_any, results["refused"]
    row, = results["rows"]
    passed = [one for one in row["trials"] if one["passed"]]
    assert passed and all(not one["lost"] and not one["blocked"] for one in passed)
    assert 0 < row["frames_per_second"] <= max(one["offered"] for one in passed) / 0.3 + 1
    assert all(one["why"] for one in row["trials"] if not one["passed"])
    assert row["trial_seconds"] == 0.3 and "trials of 0.3 s" in capsys.readouterr().out


def generate_at(rate, ends):
    return trial.generate(ends, "1514", rate=rate, seconds=0.5, timing=True, stall=1)


@named("generator-keeps-its-rate")
def test_rate():
    """Two ends of one socket: what goes in at one comes out at the other."""
    ends = socket.socketpair()
    flow, = (result := generate_at(20000, ends))["flows"]
    assert flow["sent"] + flow["not_offered"] == pytest.approx(10000, rel=0.02) and not result["lost"]
    assert result["latency_us"]["frames"] <= flow["received"] and flow["blocked"] == 0


@named("generator-tells-a-socket-that-pushes-back")
def test_blocked():
    """A carrier that takes 2000 frames a second of the 20,000 that are offered."""
    near, far = socket.socketpair(), socket.socketpair()
    code = ("import socket, sys, time\n"
            "a, b = socket.socket(fileno=int(sys.argv[1])), socket.socket(fileno=int(sys.argv[2]))\n"
            "while data := a.recv(1518 * 10): b.sendall(data); time.sleep(0.005)\n")
    with subprocess.Popen(["python3", "-c", code, str(near[1].fileno()), str(far[1].fileno())],
                          pass_fds=[near[1].fileno(), far[1].fileno()]) as carrier:
        try:
            flow, = generate_at(20000, [near[0], far[0]])["flows"]
        finally:
            carrier.kill()
    assert flow["blocked"] > 1000 and flow["sent"] < 5000 and flow["sent"] + flow["not_offered"] <= 10100


# ---- Peers ----

class Impostor:
    """A peer that cannot be had, or that cannot boot."""
    name, title, routed, polls, recipe, tries = "impostor", "An impostor", None, False, "nothing", 0

    def __init__(self, there):
        self.there = there

    def prepare(self):
        if not self.there:
            Impostor.tries += 1
            raise peer.Absent(self.title, "no such package")

    def command_line(self, nics, cpus=1):
        return ["qemu-system-aarch64", "-machine", "no-such-machine"]


def beside(monkeypatch, there):
    monkeypatch.setattr(peer, "of", lambda kind: [Impostor(there)])
    refused_any, results = bench_forward.measure(choice(versus=["linux"]), "virt")
    assert not refused_any and [row["guest"] for row in results["rows"]] == ["baton-switch"]
    assert [one["peer"] for one in results["absent"]] == ["impostor"]
    return results["absent"][0]["why"]


@named("bench-forward-shows-an-absent-peer")
def test_absent(monkeypatch, build):
    """Tried once, whoever else is made of the same."""
    build.image("switch")
    assert beside(monkeypatch, False) == "An impostor is absent: no such package"
    tries = Impostor.tries
    monkeypatch.setattr(peer, "of", lambda kind: [Impostor(False)] * 3)
    _, absent = bench_forward.prepare(choice(versus=["linux"]), "virt")
    assert [one["why"] for one in absent] == 3 * ["An impostor is absent: no such package"] and Impostor.tries == tries + 1


@named("bench-forward-shows-a-peer-that-does-not-boot")
def test_no_boot(monkeypatch, build):
    build.image("switch")
    assert "no-such-machine" in beside(monkeypatch, True)


@named("bench-forward-throws-late-frames-away")
def test_drain():
    ends = socket.socketpair()
    ends[1].sendall(bytes(100000))
    trial.drain([ends[0]])
    with pytest.raises(BlockingIOError):
        ends[0].recv(1, socket.MSG_DONTWAIT)


@named("bench-forward-takes-turns")
def test_turns(monkeypatch):
    """A guest is paused while it is another one's turn, and boots anew after a run that was not in order."""
    log = []

    class Fake:
        def __init__(self, guest, *rest):
            self.name = guest.name
            log.append(f"boot {self.name}")

        def __getattr__(self, word):
            return lambda: log.append(f"{word} {self.name}")

    monkeypatch.setattr(rig, "Rig", Fake)
    a, b = types.SimpleNamespace(name="a"), types.SimpleNamespace(name="b")
    rigs = rig.Rigs(1, False, None)
    for guest in (a, b, b, a):
        rigs.turn(guest)
    rigs.drop(a)
    rigs.turn(a)
    assert log == ["boot a", "pause a", "boot b", "pause b", "resume a", "close a", "boot a"]


@named("bench-forward-beside-linux-and-dpdk")
@long
@alone
@pytest.mark.timeout(1800)
def test_versus(tmp_path):
    results, text = results_of(tmp_path, "--versus", "linux", "--versus", "dpdk", "--sizes", "60", "--windows", "256", timeout=1700)
    assert not results["absent"], results["absent"]
    counts = {row["guest"]: row["instructions"]["lower"] for row in results["rows"]}
    assert 3500 < counts["linux-bridge-mrg-off"] <= counts["linux-bridge"] * 1.05 < 7000 and 3500 < counts["linux-router"] < 8000
    assert 400 < counts["dpdk-io"] < 800 and "how many times the other's figure" in text
    assert counts["baton-switch"] < counts["linux-bridge-mrg-off"] / 3


@named("bench-forward-plots")
def test_plots(tmp_path):
    """Every plot, of invented rows of two guests; and of a search."""
    rows = [{"guest": guest, "title": f"The {guest}", "cpus": cpus, "size": size, "window": window, "directions": "one",
             "frames_per_second": {"median": 2e5, "min": 1e5, "max": 3e5}, "latency_us": {"median": 60, "min": 40, "p99": 90},
             "instructions": {"lower": 320 if guest == "switch" else None}}
            for guest in ("switch", "poller") for cpus in (1, 2) for size in ("60", "imix") for window in (1, 256)]
    names = [f"{tmp_path}/forward-{name}.svg" for name in ("instructions", "rate", "latency", "cpus")]
    assert bench_forward_plot.plot({"rows": rows}, tmp_path) == names
    texts = [open(name).read() for name in names]
    assert all("IMIX" in text for text in texts) and "The poller" in texts[1] and "The poller" not in texts[0]
    search = [{**row, "frames_per_second": 1e5, "trials": []} for row in rows if (row["cpus"], row["window"]) == (1, 1)]
    assert bench_forward_plot.plot({"rows": search}, tmp_path) == [f"{tmp_path}/forward-throughput.svg"]
    assert bench_forward_plot.plot({"rows": []}, tmp_path) == []


# ---- Usage ----

@named("bench-forward-usage")
def test_usage():
    parser = argparse.ArgumentParser()
    bench_options.add(parser)
    for words in (["--sizes", "59"], ["--sizes", "1515"], ["--sizes", "60,big"], ["--windows", "0"], ["--directions", "none"],
                  ["--cpus", "9"], ["--runs", "0"], ["--seconds", "0"], ["--versus", "windows"], ["--appliance", "bridge"]):
        with pytest.raises(SystemExit) as caught:
            parser.parse_args(["forward", *words])
        assert caught.value.code == 2
    assert parser.parse_args(["forward", "--sizes", "60,imix,60"]).sizes == ["60", "imix"]
    assert "--windows goes with forward" in bench("ipc", "--windows", "1", status=2)
    assert "neither windows nor runs" in bench("forward", "--throughput", "--windows", "1", status=2)
    assert "--policy goes with ipc" in bench("forward", "--policy", "dash", status=2)


@named("bench-forward-defaults")
def test_defaults():
    options = types.SimpleNamespace(versus=None, sizes=None, cpus=[2])
    assert bench_options.chosen(options, "sizes") == ["60", "512", "1514", "imix"] and bench_options.chosen(options, "cpus") == [2]
    assert trial.sizes_of("imix").split(",").count("590") == 4 and len(trial.IMIX) == 12
    with pytest.raises(Failure):
        trial.generate(socket.socketpair(), "60", nonsense=1)


@named("bench-forward-interrupted-leaves-nothing")
def test_interrupted(tmp_path):
    process = subprocess.Popen([ROOT / "baton", "bench", "forward", *QUICK], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
                               env={**os.environ, "TMPDIR": str(tmp_path)})
    end = time.monotonic() + 60
    while not list(tmp_path.iterdir()) and time.monotonic() < end:
        time.sleep(0.1)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=120)[0]
    assert process.returncode == 130 and "interrupted" in rest, rest
    assert not list(tmp_path.iterdir())
    left = subprocess.run(["pgrep", "-g", str(process.pid)], stdout=subprocess.PIPE, text=True).stdout
    assert not left, f"processes {left} are left"
    machines = subprocess.run(["pgrep", "-f", str(tmp_path)], stdout=subprocess.PIPE, text=True).stdout
    assert not machines, f"machines {machines} are left"
