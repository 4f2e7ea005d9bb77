"""./baton bench ipc beyond its rows: chains, shares read, tables that are live on two CPUs, crossings, plots, tables for the docs."""
import json
import subprocess
import xml.etree.ElementTree

import pytest

from building import ROOT
from naming import alone, long, named
from test_bench import bench, check_form

from tools import bench_crossover, bench_document, bench_plot  # noqa: E402


def measured(tmp_path, *words):
    file = tmp_path / "results.json"
    text = bench("ipc", "--json", str(file), *words)
    return json.loads(file.read_text()), text


def check_sums(row):
    """What is computed follows from what was counted; an emulator's cycles are its instructions, as is said."""
    hops = 2 if row["kind"] == "rpc" else 1
    assert row["bytes_traffic"] == pytest.approx(2 * row["bytes_copied"] + 4096 * row["scrubs"] + hops * row["bytes_read"], abs=5)
    assert row["cycles"] == pytest.approx(row["instructions"], rel=0.02)
    assert len(row["samples"]) >= 2 and row["samples"][-1]["messages"] >= 12
    last = row["samples"][-1]
    assert last["instructions"] / last["messages"] == pytest.approx(row["instructions"], abs=0.01)
    for name in ("instructions", "maps", "tlbi_local", "bytes_copied"):
        assert row["per_page"][name] * row["pages"] == pytest.approx(row[name], abs=0.01 * row["pages"])


@named("bench-ipc-chains")
@alone
def test_chains(tmp_path):
    """Each hop of a chain does what a hop between two does, and a message through three services takes four."""
    found, text = measured(tmp_path, "--services", "1,3", "--bytes", "65536", "--touch", "all", "--policy", "dash",
                           "--policy", "path", "--placement", "isolated", "--cpus", "1")
    check_form([{**row, "bytes": row["bytes"] + row["services"]} for row in found["chains"]])
    chains = {(row["policy"], row["services"]): row for row in found["chains"]}
    assert set(chains) == {(policy, services) for policy in ("dash", "path") for services in (1, 3)}
    for (policy, services), row in chains.items():
        check_sums(row)
        assert row["maps"] == row["tlbi_local"] == (16 if policy == "dash" else 0)
        assert row["instructions"] == pytest.approx(chains[policy, 1]["instructions"], rel=0.05)
        assert row["samples"][-1]["messages"] % (services + 1) == 0
    assert "through services in a row" in text and "real here" in text and found["counters"]["cycles"][0] is False


@named("bench-ipc-wide")
@alone
def test_wide(tmp_path):
    """Only here an unmap concerns two CPUs: it is broadcast by those that unmap, and by nobody else."""
    found, _ = measured(tmp_path, "--part", "wide", "--bytes", "4096", "--touch", "header", "--placement", "isolated")
    wide = {(row["policy"], row["cpus"]): row for row in found["wide"]}
    for cpus in ("same", "cross"):
        assert wide["synchronous", cpus]["tlbi_broadcast"] == 1 and wide["synchronous", cpus]["tlbi_local"] == 0
        assert wide["dash", cpus]["tlbi_broadcast"] >= 1
        for policy in ("copy", "path"):
            assert wide[policy, cpus]["tlbi_broadcast"] == wide[policy, cpus]["maps"] == 0
    for row in found["wide"]:
        check_sums(row)
    assert found["crossover"]["wide, same"]["cheapest"]


def lines(policy, size, *costs):
    return [{"policy": policy, "bytes": size, "touch": f"{read}", "bytes_read": read, "instructions": cost, "tlbi_local": 1,
             "tlbi_broadcast": 0, "tlbi_queued": 0} for read, cost in costs]


@named("bench-crossover")
def test_crossover():
    assert bench_crossover.found({0: 5, 10: 5}, {0: 9, 10: 9}) == {"from": "always"}
    assert bench_crossover.found({0: 9, 10: 5}, {0: 5, 10: 5}) == {"from": "never"}  # as dear is not cheaper
    assert bench_crossover.found({0: 9}, {0: 5}) == {"from": None}
    assert bench_crossover.found({0: 20, 100: 20, 200: 20}, {0: 10, 100: 15, 200: 40}) == {"from": [100, 200], "about": 120}
    assert bench_crossover.found({0: 1, 10: 9, 20: 1}, {0: 5, 10: 5, 20: 5})["from"] == [10, 20]  # the last change tells
    rows = lines("copy", 4096, (0, 2000), (64, 2000)) + lines("dash", 4096, (0, 500), (64, 3000)) \
        + lines("path", 4096, (0, 600), (64, 601))
    assert bench_crossover.by_read(rows, []) == [{"bytes": 4096, "copy over dash": {"from": [0, 64], "about": 38},
                                                  "path over dash": {"from": [0, 64], "about": 3}}]
    assert [row["cheapest"] for row in bench_crossover.cheapest(rows)] == [["dash"], ["path"]]
    assert [row["instructions"] for row in bench_crossover.prices(rows)] == [1500, -1000]


@named("bench-plot")
@alone
def test_plot(tmp_path):
    """What is drawn; and of a message of which part is read, only the pages that are read are mapped."""
    folder = tmp_path / "plots"
    found, text = measured(tmp_path, "--plot", str(folder), "--part", "rows", "--part", "touched", "--kind", "oneway",
                           "--bytes", "4096", "--bytes", "65536", "--policy", "dash", "--policy", "copy", "--placement", "isolated",
                           "--cpus", "1")
    reads = {row["bytes_read"]: row for row in found["touched"] if row["bytes"] == 65536 and row["policy"] == "dash"}
    assert [reads[read]["maps"] for read in (0, 64, 4096, 16384, 65536)] == [0, 1, 1, 4, 16]
    for row in found["touched"]:
        check_sums(row)
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == ["ipc-read.svg", "ipc-size.svg", "ipc-traffic.svg"], text
    assert {row["bytes"] for row in found["touched"]} == {4096, 65536}
    for file in files:
        words = " ".join(xml.etree.ElementTree.parse(file).getroot().itertext())
        assert "bytes" in words and "unmap=dash" in words and "unmap=copy" in words
        assert file.stat().st_size < 80000
    assert "--plot" in bench("ipc", "--plot", "/dev/null/x", status=1)
    assert "--json /dev/null/x: Not a directory" in bench("ipc", "--json", "/dev/null/x", status=1)


@named("bench-plot-draws-the-same-again")
def test_plot_again(tmp_path):
    """The same results give the same file, so that a plot under docs/ changes only when its figures do."""
    rows = [{"kind": "oneway", "bytes": size, "placement": "isolated", "cpus": "same", "policy": policy, "touch": "all",
             "instructions": size + cost, "bytes_traffic": size} for size in (64, 4096) for policy, cost in (("copy", 9), ("dash", 99))]
    (tmp_path / "results.json").write_text(json.dumps({"rows": rows}))
    drawn = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        subprocess.run([bench_plot.PYTHON, "-m", "tools.bench_plot", "ipc", tmp_path / "results.json", tmp_path / name],
                       cwd=ROOT, check=True, stderr=subprocess.PIPE)
        drawn.append((tmp_path / name / "ipc-size.svg").read_bytes())
    assert drawn[0] == drawn[1]


@named("bench-document")
def test_document():
    text = "<!-- begin ipc-size: x -->\nold\n<!-- end ipc-size -->\nb\n<!-- begin ipc-read: y -->\nkept\n<!-- end ipc-read -->\n"
    assert bench_document.fill(text, {"ipc-size": ["new"], "ipc-call": ["other"]}) == text.replace("old", "new")
    with pytest.raises(SystemExit):
        bench_document.fill(text.replace("ipc-read", "none"), {"ipc-size": ["new"]})
    places = [name for page in ("docs/performance.md", "README.md") for name in bench_document.names((ROOT / page).read_text())]
    assert sorted(places) == sorted(bench_document.TABLES), "a table that nothing fills, or that stands nowhere, or twice"


@named("bench-ipc-full")
@long
@alone
@pytest.mark.timeout(3600)
def test_full(tmp_path):
    file = tmp_path / "results.json"
    done = subprocess.run([ROOT / "baton", "bench", "ipc", "--full", "--json", str(file)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=3500)
    assert done.returncode == 0, done.stdout
    found = json.loads(file.read_text())
    check_form(found["rows"])
    assert not found["refused"] and {row["services"] for row in found["chains"]} == set(range(1, 9))
    for part in found["parts"]:
        for row in found[part]:
            if row["pages"]:
                check_sums(row)
