"""./baton bench: the form of what it writes, the limits that the project has set, and that it refuses what it must not show."""
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from building import ROOT
from naming import alone, named

sys.path.insert(0, str(ROOT))
from tools import bench_ipc_cases, bench_ipc_guest  # noqa: E402

KEYS = ["kind", "bytes", "placement", "cpus", "policy", "touch", "instructions", "maps", "tlbi_local", "tlbi_broadcast",
        "barriers", "scrubs", "bytes_copied"]
# Of isolated services on one CPU: docs/bench.md
LIMITS = {("rpc", 64, "none"): 1000, ("oneway", 4096, "none"): 600, ("oneway", 4096, "header"): 1000,
          ("oneway", 4096, "all"): 1500}
QUICK = ["--kind", "oneway", "--bytes", "4096", "--touch", "none", "--cpus", "1", "--policy", "dash", "--placement", "isolated"]


def bench(*words, status=0, timeout=250, **options):
    done = subprocess.run([ROOT / "baton", "bench", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=timeout, **options)
    assert done.returncode == status, done.stdout
    return done.stdout


def rows_of(tmp_path, *words):
    file = tmp_path / "rows.json"
    text = bench("ipc", "--json", str(file), *words)
    content = json.loads(file.read_text())
    assert list(content)[0] == "rows"
    return content["rows"], text


def check_form(rows):
    for row in rows:
        assert list(row)[:len(KEYS)] == KEYS, row
        assert row["kind"] in ("oneway", "rpc") and row["touch"] in ("none", "header", "all"), row
        assert row["placement"] in ("isolated", "trusted") and row["cpus"] in ("same", "cross"), row
        assert row["policy"] in ("copy", "synchronous", "dash", "path"), row
        assert all(isinstance(row[key], (int, float)) and row[key] >= 0 for key in KEYS[6:] + ["bytes"]), row
    names = [tuple(row[key] for key in KEYS[:6]) for row in rows]
    assert len(set(names)) == len(names), "a row stands there twice"


@named("bench-ipc-limits")
@alone
def test_limits(tmp_path):
    rows, text = rows_of(tmp_path, "--placement", "isolated", "--policy", "dash", "--bytes", "64", "--bytes", "4096")
    check_form(rows)
    assert {row["cpus"] for row in rows} == {"same", "cross"}
    same = {(row["kind"], row["bytes"], row["touch"]): row for row in rows if row["cpus"] == "same"}
    for key, limit in LIMITS.items():
        assert same[key]["instructions"] <= limit, f"{key}: {same[key]['instructions']} instructions, at most {limit}"
    assert not any(row["tlbi_broadcast"] for row in same.values()), "a broadcast in the steady state on one CPU"
    assert not any(row["bytes_copied"] for row in rows if row["bytes"] > 128) and "memfd" in text
    big = ["--kind", "oneway", "--bytes", "1048576", "--touch", "none", "--cpus", "1"]
    (row,), _ = rows_of(tmp_path, "--placement", "isolated", "--policy", "dash", *big)
    assert row["instructions"] <= 8000, f"1 MiB: {row['instructions']} instructions, at most 8000"


@named("bench-ipc-policies")
@alone
def test_policies(tmp_path):
    """Each policy has its own counters: a copy copies, a trust set unmaps nothing."""
    rows, _ = rows_of(tmp_path, "--bytes", "4096", "--kind", "oneway", "--touch", "header", "--cpus", "1")
    check_form(rows)
    found = {(row["placement"], row["policy"]): row for row in rows}
    assert set(found) == {(place, policy) for place in ("isolated", "trusted") for policy in bench_ipc_cases.POLICIES}
    assert all(row["bytes_copied"] == (4096 if row["policy"] == "copy" else 0) for row in rows)
    path, dash = found["isolated", "path"], found["isolated", "dash"]
    assert path["maps"] == path["tlbi_local"] == path["tlbi_broadcast"] == 0
    assert dash["maps"] == dash["tlbi_local"] == 1


@named("bench-refuses-{what}")
@pytest.mark.parametrize("what", ["lost", "doubled", "damaged"])
def test_spoilt(tmp_path, what):
    file = tmp_path / "rows.json"
    text = bench("ipc", "--spoil", what, "--json", str(file), *QUICK, status=1)
    assert "no figure: oneway 4096 none same, isolated, dash: " in text
    assert json.loads(file.read_text())["rows"] == []


@named("bench-refuses-counters-that-do-not-add-up")
def test_counters():
    """What a run of 10 messages of one page must have counted; each number altered is refused."""
    right = {"sender messages_in": 5, "sender messages_out": 5, "stage1 messages_in": 5, "stage1 messages_out": 5, "inline": 0,
             "payload": 0, "moved": 20, **{f"stage{i} messages_{way}": 0 for i in range(2, 9) for way in ("in", "out")}}
    bench_ipc_guest.check_counts("oneway", 4096, "dash", 1, 10, right)
    for name in right:
        with pytest.raises(bench_ipc_guest.Refused):
            bench_ipc_guest.check_counts("oneway", 4096, "dash", 1, 10, {**right, name: right[name] - 1})
        with pytest.raises(bench_ipc_guest.Refused):
            bench_ipc_guest.check_counts("oneway", 4096, "dash", 1, 10, {**right, name: right[name] + 4})
    run = (1000, {"moved": 20, "tlbi_local": 100})
    assert bench_ipc_guest.unsteady(run, run) is None
    assert bench_ipc_guest.unsteady((1100, run[1]), run) and bench_ipc_guest.unsteady((1000, {"moved": 21, "tlbi_local": 100}), run)


@named("bench-usage")
def test_usage(tmp_path):
    for words in (["--unknown"], ["nothing"], ["ipc", "--bytes", "65"], ["ipc", "--policy", "lazy"], ["ipc", "--cpus", "9"],
                  ["ipc", "--services", "9"], ["ipc", "--part", "none"], ["forward", "--full"]):
        assert "baton" in bench(*words, status=2)
    assert "there is no measurement nothing; there are: ipc" in bench("nothing", status=2)
    assert "--json" in bench("--help")
    text = bench("ipc", "--json", str(tmp_path / "none" / "rows.json"), *QUICK, status=1)
    assert "unmap=" not in text, "it measured before it looked whether it can write"


@named("bench-interrupted-leaves-nothing")
def test_interrupted(tmp_path):
    file = tmp_path / "rows.json"
    process = subprocess.Popen([ROOT / "baton", "bench", "ipc", "--json", str(file)], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               env={**os.environ, "TMPDIR": str(tmp_path)}, start_new_session=True)
    for line in process.stdout:
        if "unmap=" in line:
            break
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=120)[0]
    assert process.returncode == 130 and "interrupted" in rest, rest
    assert not list(tmp_path.iterdir())
    left = subprocess.run(["pgrep", "-g", str(process.pid)], stdout=subprocess.PIPE, text=True).stdout
    assert not left, f"processes {left} are left"
