"""
Services against the kernel: what they may do works, what they may not is refused, reported by name and does not
disturb the others. The appliances are in test/qemu/apps/.
"""
import concurrent.futures
import copy
import re

import pytest

from naming import named
from traffic import assert_all_arrived, assert_pages_conserved, by_name, grown, through

# What rogue does (test=NAME), and how the report must name it.
IPC_PAGE = r"0x40[0-9a-f]{8} .*\n  page \d+: owner now "
ACTS = {
    "read-other-data": r"may not read from 0x[0-9a-f]+ .*\n.*slot of service keeper",
    "write-other-data": r"may not write to 0x[0-9a-f]+ .*\n.*slot of service keeper",
    "read-kernel": r"may not read from 0xffffffc000001000 .*\n.*the kernel's",
    "write-kernel": r"may not write to 0xffffff8040000000 .*\n.*the kernel's",
    "read-nothing": r"may not read from 0x0 ",
    "read-sent-page": rf"may not read from {IPC_PAGE}keeper",
    "write-sent-page": rf"may not write to {IPC_PAGE}keeper",
    "read-unowned-page": rf"may not read from {IPC_PAGE}nobody, owner before rogue",
    "read-device-page": rf"may not read from {IPC_PAGE}(?!rogue)",
    "write-read-only-page": rf"may not write to {IPC_PAGE}rogue",
    "read-beyond-region": r"may not read from 0x6000000000 ",
    "overflow-stack": r"may not write to 0x[0-9a-f]+ .*\n.*guard page",
    "write-text": r"may not write to 0x[0-9a-f]+ .*\n.*its own slot",
    "write-constant": r"may not write to 0x[0-9a-f]+ .*\n.*its own slot",
    "execute-data": r"may not execute at 0x[0-9a-f]+ .*\n.*its own slot",
    "execute-page": rf"may not execute at {IPC_PAGE}rogue",
    "undefined-instruction": r"an instruction that it may not use at pc 0x",
    "read-cycle-counter": r"an instruction that it may not use at pc 0x",
    "fault-beside-a-busy-thread": r"may not read from 0x0 ",
}
OF_PAGES = ["read-sent-page", "write-sent-page", "read-unowned-page", "write-read-only-page"]


def traffic_beside(machine, event, **options):
    """Sends frames both ways until the console has said what is waited for, at least once; returns the match."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiter = pool.submit(machine.wait_for, event, 60)
        while True:
            assert_all_arrived(through(machine, frames=5000, size="60,512,1514", **options))
            if waiter.done():
                return waiter.result()


def check_violation(machine, act):
    machine.wait_ready()
    through(machine, frames=200)
    before = machine.quiet_stats()
    assert by_name(before["services"])["rogue"]["state"] == "running", "rogue should still be waiting"
    machine.send("tell rogue go")
    traffic_beside(machine, r"^service rogue stopped: \d+ pages given back, \d+ messages dropped\n")
    said = r"^keeper: (all is as it was|SOMETHING CHANGED), (\d+) messages held\n"
    verdict, held = machine.wait_for(said, since=machine.mark()).groups()
    assert verdict == "all is as it was"
    assert re.search(rf"^violation: service rogue.*{ACTS[act]}", machine.console_text(), re.MULTILINE), \
        "the report does not name what was violated"
    assert "SURVIVED" not in machine.console_text()
    expected = copy.deepcopy(before)
    expected["pages"]["free"] -= int(held)  # one page in each message that keeper holds
    after = machine.quiet_stats(expected)
    states = {name: row["state"] for name, row in by_name(after["services"]).items()}
    assert states == {**states, "rogue": "stopped", "forward": "running", "keeper": "running"}, states
    assert grown(before, after, "faults", "violations") == 1
    assert_pages_conserved(expected, after)
    assert_all_arrived(through(machine, frames=2000))


@named("violation-{act}")
@pytest.mark.parametrize("act", ACTS)
def test_violation(build, boot, act):
    # cycles.readable is what the boot tells services with cycles=on; here it is a lie
    lie = " cycles.readable=1" if act == "read-cycle-counter" else ""
    check_violation(boot(build.image("violation"), cpus=4, append=f"test={act}{lie}"), act)


@named("violation-{act}-trusted-1cpu")
@pytest.mark.parametrize("act", OF_PAGES)
def test_violation_trusted(build, boot, act):
    """Between trusted services the rule of ownership holds by the same faults (mm/space.h)."""
    check_violation(boot(build.image("violation"), cpus=1, append=f"test={act} placement=trusted"), act)


@named("service-calls-{cpus}cpu-{placement}")
@pytest.mark.parametrize("cpus, placement", [(1, "isolated"), (2, "isolated"), (4, "isolated"), (1, "trusted"),
                                             (4, "trusted")])
def test_all_calls(build, boot, cpus, placement):
    """Every call of apps/baton.h does what the header says, on one CPU and with threads on several."""
    calls_pass(boot, build.image("ipc-self-test"), cpus, f"level=7 placement={placement}")


@named("service-calls-4cpu-{policy}-{tlb}")
@pytest.mark.parametrize("policy, tlb", [("synchronous", "ipi"), ("dash", "ipi"), ("path", "broadcast")])
def test_all_calls_in_each_policy(build, boot, policy, tlb):
    """Not by value (unmap=copy): there pages do not arrive as what they were sent, so some checks cannot hold."""
    calls_pass(boot, build.image("ipc-self-test"), 4, f"level=7 unmap={policy} tlb={tlb}")


def calls_pass(boot, image, cpus, append):
    machine = boot(image, cpus=cpus, nics=0, append=append)
    result = machine.wait_for(r"^tester: ipc-self-test: (.*)\n", 200).group(1)
    assert re.fullmatch(r"\d+ checks passed", result), result
    machine.wait_for(r"^service tester stopped.*\n")
    stats = machine.quiet_stats()
    for kind in ("pages", "messages"):
        assert stats[kind]["free"] == stats[kind]["total"], f"{kind} leaked: {stats[kind]}"
    assert stats["faults"]["lazy_maps"] > 0 and stats["faults"]["violations"] == 0
    assert stats["pages"]["scrubbed"] > 0 and stats["copied"]["payload_bytes"] > 9_000_000, "a stopped service keeps its counts"
    machine.halt()


@named("service-restarts-pristine-{cpus}cpu")
@pytest.mark.parametrize("cpus", [1, 4])
def test_restart(build, boot, cpus):
    machine = boot(build.image("restart"), cpus=cpus, nics=1, append="lives=30")
    result = machine.wait_for(r"^watcher: (.*)\n", 200).group(1)
    assert result == "restart: 30 lives, all pristine"
    stats = machine.quiet_stats()
    assert by_name(stats["services"])["phoenix"]["restarts"] == 30
    assert stats["faults"]["violations"] == 30
    pages = stats["pages"]
    # What the living phoenix holds: three messages of three pages. What 30 dead ones held has come back.
    assert pages["owned"] == 9 and pages["free"] + pages["in_flight"] == pages["total"] - 9, pages
    assert stats["net"][0]["dropped"]["lives"] == 31, "what a service counted before it died still counts"
    machine.halt()


@named("service-stays-stopped-when-it-only-faults")
def test_vain(build, boot):
    machine = boot(build.image("restart"), cpus=2, nics=0, append="lives=1000")
    machine.wait_for(r"^service phoenix stays stopped: 100 lives .*\n")
    machine.wait_for(r"^watcher: FAILED: life 100: result -9,.*\n")
    stats = machine.quiet_stats()
    assert by_name(stats["services"])["phoenix"]["state"] == "stopped"
    assert stats["pages"]["free"] == stats["pages"]["total"], f"pages leaked: {stats['pages']}"
    machine.halt()
