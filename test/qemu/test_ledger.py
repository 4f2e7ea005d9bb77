"""
The ledger (core/ledger.h) as users meet it: `trace` and `pages N` on the console, ./baton run --trace FILE, the figures of
the paper drawn from a run; and what it costs while it is off. Its traces are held against the rules in test_replay.py.
"""
import collections
import json
import re
import subprocess
import sys
import time

import pytest

from building import ROOT
from naming import alone, named
from tracing import ON, exported, ledger, remembered
from traffic import through

from tools import ledger_chrome, ledger_draw  # noqa: E402 (the path to them comes with tracing)

sys.path.insert(0, str(ROOT / "test" / "bench"))
import ledger_cost  # noqa: E402


def noted(machine):
    """Per CPU: (noted, overwritten), as `trace status` says."""
    text = machine.command("trace status")
    rows = re.findall(r"^  CPU \d+: (\d+) noted, (\d+) of them overwritten", text, re.MULTILINE)
    assert rows, text
    return [(int(count), int(lost)) for count, lost in rows]


@named("ledger-on-and-off-while-it-runs")
def test_on_off(boot, switch):
    machine = boot(switch, cpus=2).wait_ready()
    assert "trace: off, 4096 entries of 32 bytes for each CPU" in machine.command("trace status")
    through(machine, frames=50)
    assert sum(count for count, _ in noted(machine)) == 0
    assert "trace: on" in machine.command("trace on")
    through(machine, frames=50, size=512)
    first = sum(count for count, _ in noted(machine))
    assert first > 50 * 2 * 5
    through(machine, frames=10, size=512)
    assert "trace: off" in machine.command("trace off")
    second = sum(count for count, _ in noted(machine))
    assert second > first
    through(machine, frames=50, size=512)
    assert sum(count for count, _ in noted(machine)) == second
    dump = machine.command("trace dump 7")
    lines = re.findall(r"^ +\d+\.\d{6} s  CPU [01]  (?:the kernel|forward) +\w+", dump, re.MULTILINE)
    assert len(lines) == 7 and "trace: 0 entries before these were overwritten" in dump, dump
    assert len(exported(machine).events) == second
    machine.command("trace on")  # what was noted before is forgotten
    assert sum(count for count, _ in noted(machine)) < 100
    machine.halt()


@named("ledger-overrun-is-counted")
def test_overrun(boot, switch):
    """It says how much was lost, on the console, in the export, and to who reads the trace."""
    machine = boot(switch, cpus=2, append="ledger=128 trace=on").wait_ready()
    through(machine, frames=500, size=512)
    machine.command("trace off")
    rows = noted(machine)
    lost = sum(gone for _, gone in rows)
    assert lost > 1000 and all(gone in (0, count - 127) for count, gone in rows), rows
    assert f"trace: {lost} entries before these were overwritten" in machine.command("trace dump 3")
    trace = exported(machine)
    assert trace.lost == lost and len(trace.events) == sum(count for count, _ in rows) - lost
    whole = trace.whole().events
    assert [event.order for event in whole] == list(range(whole[0].order, whole[-1].order + 1)), "gaps are left"


@named("ledger-in-memory-is-what-is-exported")
def test_in_memory(boot, build):
    """The two ways in which test_replay.py reads traces, and that a ring's entries are laid out as core/ledger.h says."""
    machine = boot(build.image("figures"), cpus=4, nics=0, append=f"{ON} rounds=2")
    machine.wait_for(r"^sender: figures: 2 rounds\n")
    printed, kept = exported(machine), remembered(machine)
    assert len(printed.events) > 200 and vars(printed) == vars(kept)


@named("ledger-shows-a-driver-run-within-a-send")
def test_driver_first(boot, switch):
    """One frame at a time, on one CPU: the driver that the forwarder wakes runs before the forwarder's send returns."""
    machine = boot(switch, cpus=1, append=ON).wait_ready()
    through(machine, frames=20, window=1, flow=["0:1"])
    events = exported(machine).events
    begun, within = {}, []
    for place, event in enumerate(events):
        if event.event == "call":
            begun[ledger.thread_of(event)] = place
        elif event.event == "return" and ledger.call_of(event) == "send":
            meanwhile = events[begun[ledger.thread_of(event)]:place]
            within.append([other.space for other in meanwhile if other.event == "run"])
    assert len(within) >= 20 and sum(spaces[:1] == [0] for spaces in within) >= len(within) - 5, within


@named("ledger-refuses-bad-commands")
def test_bad(boot, switch):
    machine = boot(switch, append="ledger=0").wait_ready()
    for argument in ("", " o", " onn", " dump 0", " dump x", " dump 99999999999999999999", " dump -1", " status now"):
        assert "trace: takes `packet`" in machine.command(f"trace{argument}"), argument
    assert "there was no memory for it" in machine.command("trace on")
    assert "0 entries" in machine.command("trace status")
    assert "ledger end 0 lost 0" in machine.command("trace export")
    assert "its history is not known" in machine.command("pages 3")
    machine.halt()


@named("ledger-settings-{setting}")
@pytest.mark.parametrize("setting, said", [
    ("ledger=x", r"^boot: setting ledger=x: expected 0, or a number of entries from 64 to 1048576"),
    ("ledger=63", "^boot: setting ledger=63"), ("ledger=1048577", "^boot: setting ledger=1048577"),
    ("ledger=", "^boot: setting ledger="), ("trace=yes", "^boot: setting trace=yes: expected on or off")],
    ids=lambda value: "")
def test_settings(boot, switch, setting, said):
    boot(switch, append=setting).wait_for(said)


@named("ledger-takes-less-when-memory-is-short")
def test_short(boot, switch):
    machine = boot(switch, cpus=4, memory=64, append="ledger=1048576 trace=on").wait_ready()
    entries = int(machine.wait_for(r"memory is short: the ledger has (\d+) entries for each CPU, not 1048576").group(1))
    assert entries >= 4096 and entries & entries - 1 == 0
    through(machine, frames=200, size=512)
    assert len(exported(machine).events) > 200


@named("ledger-history-of-a-page")
def test_history(boot, build):
    """`pages N`: who holds it, who held it and when, who may still have a translation."""
    machine = boot(build.image("figures"), cpus=4, nics=0, append=f"{ON} rounds=1")
    machine.wait_for(r"^sender: figures: 1 rounds\n")
    # A page is free when its last unmap is through on every CPU. Nobody waits for that, so it may be after the line above.
    machine.quiet_stats(machine.stats()["pages"]["total"])
    sent = [event.page for event in exported(machine).events if event.event == "send"]
    text = machine.command(f"pages {sent[-1]}")
    assert "0 ownerships" in text and "before: receiver" in text, text
    rows = re.findall(r"^ +[\d.]+ s  CPU (\d)  (sender|receiver|the kernel) +([\w-]+) +page", text, re.MULTILINE)
    events = [event for _, _, event in rows]
    for who, event in (("sender", "get"), ("sender", "send"), ("receiver", "receive"), ("receiver", "release"),
                       ("the kernel", "freed")):
        assert (who, event) in [(name, what) for _, name, what in rows], f"no {event} by {who}: {text}"
    assert events.index("get") < events.index("send") < events.index("receive") < events.index("freed")


@named("ledger-names-are-those-of-the-headers")
def test_names():
    """What the tools call events, calls and kinds is what the kernel's enums say, in their order."""
    def names(file, enum, prefix):
        body = re.search(rf"^enum {enum} \{{(.*?)^\}};", (ROOT / file).read_text(), re.DOTALL | re.MULTILINE).group(1)
        body = re.sub(r"/\*.*?\*/", "", body, flags=re.DOTALL)
        found = [word[len(prefix):].lower() for word in re.findall(rf"\b{prefix}\w+", body)]
        return [name for name in found if name not in ("events", "count", "policies")]
    assert names("core/ledger.h", "ledger_event", "LEDGER_") == [name.replace("-", "_") for name in ledger.EVENTS]
    assert names("core/abi.h", "baton_call", "BATON_CALL_") == ledger.CALLS
    assert names("mm/unmap.h", "unmap_kind", "UNMAP_") == ledger.KINDS
    assert names("ipc/policy.h", "policy", "POLICY_") == ledger.POLICIES
    printed = re.search(r"names\[LEDGER_EVENTS\] = \{(.*?)\}", (ROOT / "core/ledger.c").read_text(), re.DOTALL).group(1)
    assert re.findall(r'"([\w-]+)"', printed) == ledger.EVENTS


# ---- For Perfetto ----

def check_chrome(data, services):
    """The file is what its readers expect: named processes, slices that nest, arrows that have two ends."""
    events = data["traceEvents"]
    names = {event["args"]["name"]: event["pid"] for event in events if event["name"] == "process_name"}
    assert set(services) <= set(names), names
    lanes = collections.defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            lanes[event["pid"], event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
    assert lanes
    for rows in lanes.values():
        open_ends = []
        for begin, end in sorted(rows, key=lambda row: (row[0], -row[1])):
            while open_ends and open_ends[-1] <= begin + 0.002:
                open_ends.pop()
            assert not open_ends or end <= open_ends[-1] + 0.002, "slices cross"
            open_ends.append(end)
    starts = {event["id"]: event for event in events if event["ph"] == "s"}
    ends = [event for event in events if event["ph"] == "f"]
    assert ends and all(event["id"] in starts and event["ts"] >= starts[event["id"]]["ts"] for event in ends)
    threads = [event for event in events if event["name"] == "thread_name"]
    assert threads and all(re.fullmatch(r"CPU \d", event["args"]["name"]) for event in threads)
    return events


@named("ledger-perfetto-of-{appliance}")
@pytest.mark.parametrize("appliance, services", [("switch", ["net0", "net1", "forward"]), ("figures", ["sender", "receiver"])],
                         ids=lambda value: "")
def test_chrome(boot, build, tmp_path, appliance, services):
    machine = boot(build.image(appliance), cpus=4, nics=2 if appliance == "switch" else 0, append=f"{ON} rounds=5")
    machine.wait_ready()
    if appliance == "switch":
        through(machine, frames=200, size="60,512")
    else:
        machine.wait_for(r"^sender: figures: 5 rounds\n")
    trace = exported(machine)
    ledger_chrome.save(trace, tmp_path / "trace.json")
    events = check_chrome(json.loads((tmp_path / "trace.json").read_text()), services)
    kinds = collections.Counter(event["ph"] for event in events)
    assert kinds["f"] >= sum(event.event == "receive" for event in trace.events)
    if appliance == "figures":
        assert sum(event["name"].startswith("unmap page") for event in events) == \
            sum(event.event == "unmap" for event in trace.events)


@named("ledger-run-trace")
def test_run(tmp_path):
    """./baton run --trace FILE, without hosts of its own."""
    file = tmp_path / "trace.json"
    done = subprocess.run([sys.executable, ROOT / "baton", "run", "--hosts", "none", "--seconds", "2", "--trace", file],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=280)
    assert done.returncode == 0, done.stdout
    assert re.search(r"^ok   trace +the last \d+\.\d{3} s, [\d,]+ of [\d,]+ events", done.stdout, re.MULTILINE), done.stdout
    check_chrome(json.loads(file.read_text()), ["net0", "net1", "forward"])


@named("ledger-run-trace-names-a-bad-file")
def test_run_bad(tmp_path):
    done = subprocess.run([sys.executable, ROOT / "baton", "run", "--trace", tmp_path / "no" / "such"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    assert done.returncode == 1 and "no/such" in done.stdout and "booting" not in done.stdout


# ---- The figures of the paper ----

@named("ledger-draws-figures-3a-to-3d")
def test_figures(build, boot, tmp_path):
    """From a run made now: each is there, and shows send(), unmap() and receive() in the order of the paper's figure."""
    machine = boot(build.image("figures"), cpus=4, nics=0, append=f"{ON} rounds=60")
    machine.wait_for(r"^sender: figures: 60 rounds\n")
    trace = exported(machine)
    chosen = ledger_draw.save(trace, tmp_path)
    assert sorted(chosen) == ["A", "B", "C", "D"], f"the run does not show all of them: {sorted(chosen)}"
    for figure, story in chosen.items():
        assert ledger_draw.in_order(story)
        assert (story.sender, story.receiver) == ("sender", "receiver")
        assert len(story.tlbs) == (1 if figure == "A" else 2), f"figure {figure}: TLBs of {sorted(story.tlbs)}"
        check_drawing((tmp_path / f"figure-3{figure.lower()}.svg").read_text(), figure)


def check_drawing(text, figure):
    """The bars of the drawing lie as the story says; they are read from the SVG."""
    bars = {}
    for x, width, name in re.findall(r'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)"[^>]*/><text[^>]*>([^<]*)</text>', text):
        bars.setdefault(name, (float(x), float(x) + float(width)))
    send, unmap, receive = bars["send()"], bars["unmap()"], bars["receive()"]
    assert send[0] < unmap[0] < send[1], f"figure 3{figure}: the unmap does not begin in send()"
    if figure == "A":
        assert unmap[1] <= send[1]
    elif figure == "C":
        assert send[1] <= unmap[1] <= receive[1]
    else:
        assert unmap[1] >= receive[1]
    assert f"Figure 3{figure}" in text and "may hold it" in text


@named("ledger-figures-are-in-the-documentation")
def test_documented():
    for figure in "abcd":
        check_drawing((ROOT / "docs" / "figures" / f"figure-3{figure}.svg").read_text(), figure.upper())


@named("ledger-draws-nothing-where-nothing-is")
def test_nothing(boot, switch, tmp_path):
    """A switch unmaps nothing: there is no figure in its trace, and no drawing is made up."""
    machine = boot(switch, cpus=4, append=ON).wait_ready()
    through(machine, frames=50, size=512)
    assert ledger_draw.save(exported(machine), tmp_path) == {} and not list(tmp_path.iterdir())


# ---- Cost ----

@named("ledger-off-costs-at-most-1-percent-{size}")
@alone
@pytest.mark.parametrize("size", [60, 1514])
def test_cost(switch, size):
    notes, whole, where = ledger_cost.cost(size=size, frames=5000)
    text = f"{notes:.2f} of {whole:.0f} instructions for a frame of {size} bytes, {100 * notes / whole:.2f} %: {dict(where)}"
    print(text)
    assert 0 < notes <= whole / 100, text
