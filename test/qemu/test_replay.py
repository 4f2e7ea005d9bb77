"""
Traces held against the rules (tools/ledger_replay.py): of machines under load, which must follow them, and invented ones with
one fault each, which must be refused.
"""
import re

import pytest

from building import SEEDED_BUILD
from naming import named
from routing import ROUTER, TWO, start
from tracing import ON, exported, ledger, remembered
from traffic import assert_all_arrived, through

from tools import ledger_replay  # noqa: E402 (the path to it comes with tracing)

# ---- Real ones ----


def assert_follows(machine, read=exported, **least):
    """The whole trace, from the boot, follows the rules, and has at least so many of these events."""
    trace = read(machine)
    counts = ledger_replay.check(trace)
    assert trace.events[0].order == 1, "the trace does not begin with the boot"
    for name, count in least.items():
        assert counts[name.replace("_", "-")] >= count, f"{counts[name]} {name}, at least {count} were expected: {counts}"
    return counts


@named("replay-switch-under-load-{cpus}cpu")
@pytest.mark.parametrize("cpus", [1, 4])
def test_switch(boot, switch, cpus):
    machine = boot(switch, cpus=cpus, append=ON).wait_ready()
    assert_all_arrived(through(machine, frames=3000, size="60,512,1514"))
    assert_follows(machine, get=4000, send=3000, receive=3000, freed=3000)


@named("replay-router-under-load")
def test_router(boot, build, tmp_path):
    machine = start(boot, build.image("router"), tmp_path, TWO, cpus=4, append=ON)
    assert_all_arrived(through(machine, frames=3000, size="60,512,1514", routed=4, router=ROUTER[:2]))
    assert_follows(machine, get=4000, send=3000, receive=3000, freed=3000)


@named("replay-every-call-{placement}-{tlb}")
@pytest.mark.parametrize("placement, tlb", [("isolated", "broadcast"), ("isolated", "ipi"), ("trusted", "broadcast")])
def test_calls(build, boot, placement, tlb):
    machine = boot(build.image("ipc-self-test"), cpus=4, nics=0,
                   append=f"trace=on ledger=262144 level=7 placement={placement} tlb={tlb}")
    machine.wait_for(r"^service tester stopped.*\n", 200)
    assert_follows(machine, remembered, map=1000, unmap=1000, stop=2)


# What must be in a trace of 20 rounds, and what must not: each policy is its own, none is another in disguise.
OF_POLICY = {
    "copy": ({"copy": 100}, ("unmap", "ticket", "protect")),
    "synchronous": ({"unmap": 100, "told": 100}, ("ticket", "complete", "copy")),
    "dash": ({"unmap": 100, "ticket": 160, "complete": 20, "protect": 20}, ("copy",)),
    "path": ({"unmap": 100, "ticket": 160, "complete": 20, "protect": 20}, ("copy",)),
}


@named("replay-figures-{policy}-{tlb}")
@pytest.mark.parametrize("tlb", ["broadcast", "ipi"])
@pytest.mark.parametrize("policy", OF_POLICY)
def test_figures(build, boot, policy, tlb):
    machine = boot(build.image("figures"), cpus=4, nics=0, append=f"{ON} rounds=20 unmap={policy} tlb={tlb}")
    machine.wait_for(r"^sender: figures: 20 rounds\n")
    least, never = OF_POLICY[policy]
    counts = assert_follows(machine, **least)
    assert not [name for name in never if counts[name]], counts


@named("replay-asids-run-out-{tlb}")
@pytest.mark.parametrize("tlb", ["broadcast", "ipi"])
def test_asids(build, boot, tlb):
    """Roll-overs among unmaps: each CPU flushes before its second switch after one."""
    image = build.image("asids", {"BATON_ASID_BITS": "3"})
    machine = boot(image, cpus=4, nics=0, append=f"{ON} hops=400 over=4 ipc=16 unmap=dash tlb={tlb}").wait_ready()
    machine.wait_for(r"^s0: asids: \d+ hops", 200)
    assert_follows(machine, rollover=5, flush=10, ticket=20)


@named("replay-former-owner-probes-{policy}")
@pytest.mark.parametrize("policy", ["synchronous", "dash", "path"])
def test_probe(build, boot, policy):
    """Deaths among hand-overs, duplicates, trust and trust sets."""
    machine = boot(build.image("probe"), cpus=4, nics=0,
                   append=f"trace=on ledger=131072 rounds=4 ways=1023 ipc=2 unmap={policy}").wait_ready()
    machine.wait_for(r"^judge: probe: ", 200)
    assert_follows(machine, violation=1, stop=2, send=10, unmap=20)


@named("replay-services-that-die")
def test_lives(build, boot):
    machine = boot(build.image("restart"), cpus=4, nics=0, append=ON)
    machine.wait_for(r"^watcher: restart: \d+ lives", 200)
    assert_follows(machine, violation=10, stop=10, start=10)


# ---- Invented ones ----

SENDER, RECEIVER, TRUSTED, FRIEND = 1, 2, 3, 4
SYNCHRONOUS, FAST, SLOW = range(3)


class Story:
    """Events, each by its name, that follow the rules as they stand. A fault is one change to them."""

    def __init__(self):
        self.rows = []

    def note(self, name, event, cpu, space=0, page=None, detail=0):
        self.rows.append([name, event, cpu, space, page, detail])

    def find(self, name):
        return next(number for number, row in enumerate(self.rows) if row[0] == name)

    def without(self, *names):
        self.rows = [row for row in self.rows if row[0] not in names]

    def change(self, name, **what):
        row = self.rows[self.find(name)]
        for key, value in what.items():
            row[("name", "event", "cpu", "space", "page", "detail").index(key)] = value

    def move(self, name, before):
        row = self.rows.pop(self.find(name))
        self.rows.insert(self.find(before), row)

    def insert(self, before, *row):
        self.rows.insert(self.find(before), list(row))

    def trace(self):
        trace = ledger.Trace(cpus=4, pages=16, entries=64)
        trace.spaces.update({SENDER: ledger.Space("sender", 1, 0), RECEIVER: ledger.Space("receiver", 2, 0),
                             TRUSTED: ledger.Space("trusted", 0, 0), FRIEND: ledger.Space("friend", 3, 0)})
        trace.events = [ledger.Event(number, 100 * number, row[2], row[1], *row[3:])
                        for number, row in enumerate(self.rows, 1)]
        return trace


def unmapping(kind, table, *cpus):
    return kind | table << 8 | sum(1 << cpu for cpu in cpus) << 16


def told(kind, table, pages=1):
    return kind | table << 8 | pages << 16


def ticket(cpu, number):
    return cpu << 32 | number


def hand_over(story, page=5):
    """Figure 3C and what comes before and after it: made, mapped, sent, received by who does not trust, freed."""
    story.note("start", "start", 0, SENDER)
    story.note("get", "get", 1, SENDER, page)
    story.note("map", "map", 1, SENDER, page, 1 | 1 << 8)
    story.note("call", "call", 1, SENDER, None, 1)
    story.note("unmap", "unmap", 1, 0, page, unmapping(FAST, 1, 1, 2))
    story.note("send", "send", 1, SENDER, page, 0)
    story.note("ticket", "ticket", 1, 0, page, ticket(1, 1))
    story.note("told", "told", 1, 0, None, told(FAST, 1))
    story.note("return", "return", 1, SENDER, None, 1)
    story.note("pass", "pass", 1, 0, None, 1)
    story.note("receive", "receive", 3, RECEIVER, page, 0)
    story.note("map-2", "map", 3, RECEIVER, page, 2 | 1 << 8)
    story.note("unmap-2", "unmap", 3, 0, page, unmapping(SLOW, 2, 3))
    story.note("release", "release", 3, RECEIVER, page, 0)
    story.note("ticket-2", "ticket", 3, 0, page, ticket(3, 1))
    story.note("told-2", "told", 3, 0, None, told(SLOW, 2))
    story.note("pass-2", "pass", 3, 0, None, 1)
    story.note("freed", "freed", 3, 0, page)
    story.note("get-2", "get", 0, TRUSTED, page)


def share(story, page=6):
    """Figure 3B: one page, two owners, and write access that comes back."""
    story.note("s-get", "get", 1, SENDER, page)
    story.note("s-map", "map", 1, SENDER, page, 1 | 1 << 8)
    story.note("s-protect", "protect", 1, 0, page, unmapping(SYNCHRONOUS, 1, 1))
    story.note("s-told", "told", 1, 0, None, told(SYNCHRONOUS, 1))
    story.note("s-duplicate", "duplicate", 1, SENDER, page, 2)
    story.note("s-send", "send", 1, SENDER, page, 0)
    story.note("s-receive", "receive", 3, RECEIVER, page, 0)
    story.note("s-map-2", "map", 3, RECEIVER, page, 2)
    story.note("s-unmap", "unmap", 1, 0, page, unmapping(SLOW, 1, 1, 2))
    story.note("s-release", "release", 1, SENDER, page, 1)
    story.note("s-ticket", "ticket", 1, 0, page, ticket(1, 2))
    story.note("s-ticket-2", "ticket", 1, 0, page, ticket(2, 1))
    story.note("s-told-2", "told", 1, 0, None, told(SLOW, 1))
    story.note("s-pass", "pass", 1, 0, None, 2)
    story.note("s-pass-2", "pass", 2, 0, None, 1)
    story.note("s-complete", "complete", 3, 0, page, 0)
    story.note("s-map-3", "map", 3, RECEIVER, page, 2 | 1 << 8)
    story.note("stop", "stop", 1, SENDER)


def device(story, page=7):
    """A frame's page: from one device to another."""
    story.note("d-get", "get", 0, 0, page)
    story.note("d-filled", "filled", 0, 0, page, 1400)
    story.note("d-receive", "receive", 2, FRIEND, page, 1)
    story.note("d-send", "send", 2, FRIEND, page)
    story.note("d-sent-out", "sent-out", 1, 0, page)
    story.note("d-freed", "freed", 1, 0, page)


def roll_over(story):
    story.note("rollover", "rollover", 0, 0, None, 2)
    story.note("flush", "flush", 0, 0, None, 2)
    story.note("switch", "switch", 0, 0, None, 1 | 1 << 8)
    story.note("switch-late", "switch", 1, 0, None, 1 | 1 << 8)  # was under way
    story.note("flush-2", "flush", 1, 0, None, 2)
    story.note("switch-2", "switch", 1, 0, None, 2 | 2 << 8)


def good():
    story = Story()
    for part in (hand_over, share, device, roll_over):
        part(story)
    return story


@named("replay-accepts-what-follows-the-rules")
def test_good():
    trace = good().trace()
    ledger_replay.check(trace)
    ledger_replay.check(ledger.parse("noise\n" + ledger.text_of(trace) + "more noise\n"))


# Name: the change, and how the complaint begins.
FAULTS = {
    "page-handed-out-twice": (lambda s: s.insert("send", "x", "get", 2, FRIEND, 5, 0), "page 1: a page that is owned"),
    "ownership-out-of-nothing": (lambda s: s.change("s-duplicate", detail=3), "page 1: 2 ownerships"),
    "ownership-lost": (lambda s: s.change("s-release", detail=0), "page 1: 2 ownerships went, 1 were"),
    "double-release": (lambda s: s.insert("freed", "x", "release", 3, RECEIVER, 5, 0), "page 6: receiver does not own"),
    "free-while-owned": (lambda s: s.without("release"), "page 1: the page is owned"),
    "send-by-a-stranger": (lambda s: s.change("send", space=FRIEND), "page 6: friend does not own"),
    "receive-of-what-nobody-sent": (lambda s: s.without("d-filled", "d-get"), "page 6: the kernel does not own"),
    "writable-while-shared": (lambda s: s.change("s-map-2", detail=2 | 1 << 8), "page 2: .*more than one owner"),
    "downgrade-skipped": (lambda s: s.without("s-protect", "s-told"), "page 2: .*mapped writable"),
    "write-restored-early": (lambda s: s.without("s-pass-2", "s-complete"), "page 2: readers are not cut off yet"),
    "receiver-did-not-wait": (lambda s: s.without("pass"), r"page 3: a receiver that does not trust .* on CPUs \[1\]"),
    "receiver-before-any-tlb-was-told": (lambda s: s.move("receive", "ticket"), "page 3: .*before an unmap was told"),
    "unmap-forgotten": (lambda s: s.without("unmap", "ticket", "told"), "page 3: sender gave its last ownership up"),
    "mapped-in-anothers-table": (lambda s: s.change("map-2", detail=1 | 1 << 8), "page 3: .*another space's table"),
    "mapped-by-no-owner": (lambda s: s.change("map-2", space=FRIEND, detail=3), "page 6: friend does not own"),
    "recycled-before-complete": (lambda s: s.move("freed", "pass-2"), "page 4: the page is free before"),
    "handed-out-while-pending": (lambda s: s.without("pass-2", "freed"), "page 4: the page is handed out before"),
    "device-writes-to-anothers-page": (lambda s: s.move("d-receive", "d-filled"), "page 6: the kernel does not own"),
    "unmap-not-told": (lambda s: s.without("told"), "unmap 1: the CPU goes on"),
    "unmap-of-nothing": (lambda s: s.without("map"), "unmap: table 1 has no entry"),
    "pass-left-out": (lambda s: s.without("pass-2", "freed", "get-2") or s.change("s-pass", detail=3),
                      "unmap 2: the pass before it was 1"),
    "ticket-behind": (lambda s: s.change("s-ticket", detail=ticket(1, 1)), "unmap 3: the ticket names a pass"),
    "complete-too-early": (lambda s: s.move("s-complete", "s-pass-2"), "unmap 4: the page is said to be complete"),
    "asynchronous-where-local-would-do": (lambda s: s.change("unmap", detail=unmapping(FAST, 1, 1)) or
                                          s.change("s-protect", cpu=1), "figure 3: the unmap is fast, .*synchronous"),
    "slow-without-trust": (lambda s: s.change("unmap", detail=unmapping(SLOW, 1, 1, 2)) or
                           s.change("told", detail=told(SLOW, 1)), "figure 3: the unmap is slow, it should be fast"),
    "fast-with-trust": (lambda s: s.change("send", detail=2), "figure 3: the unmap is fast, it should be slow"),
    "release-not-deferred": (lambda s: s.change("unmap-2", detail=unmapping(FAST, 2, 3)) or
                             s.change("told-2", detail=told(FAST, 2)), "figure 3: the unmap is fast, it should be slow"),
    "stopped-with-pages": (lambda s: s.move("stop", "s-release"), r"page 5: .*still owns pages \[6\]"),
    "no-flush-at-roll-over": (lambda s: s.without("flush-2"), "space 3: the CPU has not flushed"),
}


@named("replay-refuses-{fault}")
@pytest.mark.parametrize("fault", FAULTS)
def test_faults(fault):
    change, said = FAULTS[fault]
    story = good()
    change(story)
    with pytest.raises(ledger_replay.Broken, match="^" + said):
        ledger_replay.check(story.trace())


# Kernels with a fault built in: what the trace of a real run says then.
SEEDED = {"downgrade-skipped": "page 2: .*mapped writable", "early-recycle": "page 4: the page is free before"}


@named("replay-refuses-seeded-{seed}")
@pytest.mark.parametrize("seed", SEEDED)
def test_seeded(build, boot, seed):
    machine = boot(build.image("figures", SEEDED_BUILD), cpus=4, nics=0, append=f"{ON} rounds=5 seed={seed}")
    machine.wait_for(r"^sender: (figures: 5 rounds|FAILED)", 200)
    with pytest.raises(ledger_replay.Broken, match="^" + SEEDED[seed]):
        ledger_replay.check(exported(machine))


@named("replay-refuses-translation-outside-the-trust-set")
def test_stray():
    """A page that goes round in a set stays mapped there; whoever receives it outside must find it unmapped."""
    story = Story()
    story.note("get", "get", 1, SENDER, 5)
    story.note("map", "map", 1, SENDER, 5, 1 | 1 << 8)
    story.note("send", "send", 1, SENDER, 5)
    story.note("receive", "receive", 3, FRIEND, 5, 0)
    trace = story.trace()
    trace.policy = 3
    for space in (SENDER, FRIEND):
        trace.spaces[space] = trace.spaces[space]._replace(trusts=1 << 1 | 1 << 3)
    ledger_replay.check(trace)
    trace.events[-1] = trace.events[-1]._replace(space=RECEIVER)
    with pytest.raises(ledger_replay.Broken, match=r"^page 3: tables \[1\]"):
        ledger_replay.check(trace)


@named("replay-refuses-what-is-not-whole")
def test_not_whole():
    trace = good().trace()
    trace.lost = 3
    with pytest.raises(ledger_replay.Broken, match="3 entries of the ledger were overwritten"):
        ledger_replay.check(trace)
    trace = good().trace()
    del trace.events[7]
    with pytest.raises(ledger_replay.Broken, match="^whole: events after 7 are missing"):
        ledger_replay.check(trace)
    trace = good().trace()
    trace.events[9] = trace.events[9]._replace(time=1)
    with pytest.raises(ledger_replay.Broken, match="time went back"):
        ledger_replay.check(trace)


@named("replay-refuses-what-is-no-trace")
def test_no_trace():
    text = ledger.text_of(good().trace())
    lines = text.split("\n")
    for bad in ["", "nothing of the kind\n", text.replace("ledger 1", "ledger 9"), "\n".join(lines[:-2]),
                "\n".join(lines[:10] + lines[11:]), text.replace("\ne 3 ", "\ne 3x "), text.replace("cpus 4", "cpus x"),
                re.sub(r"\ne 4 (\w+) (\w+) \w+", r"\ne 4 \1 \2 ff", text)]:
        with pytest.raises(ledger.Failure):
            ledger.parse(bad)


@named("replay-of-a-later-beginning")
def test_later():
    """What is not known is not judged: a trace that begins in the middle, with pages already on their way."""
    for first in range(2, len(good().rows)):
        trace = good().trace()
        trace.events = trace.events[first:]
        ledger_replay.check(trace)
