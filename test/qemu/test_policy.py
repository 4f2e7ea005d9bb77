"""
The policies (issue 4; ipc/policy.h): unmap=copy|synchronous|dash|path with tlb=broadcast|ipi, at boot and from the console
while an appliance runs. Each works, each shows its own counters, and none is another in disguise.

The switch and the router map no page of a frame. Whoever wants to see unmaps looks at test/qemu/apps/circle: first and second
send pages back and forth, every word checked, and some on to stranger, who is not of their trust set.
"""
import re
import threading

import pytest

from harness import Nic, wait_until
from naming import named
from routing import ROUTER, TWO, start
from traffic import assert_all_arrived, assert_pages_conserved, drops, grown, through

POLICIES = ["copy", "synchronous", "dash", "path"]
TLBS = ["broadcast", "ipi"]
SIZE, INLINE = 1514, 128  # bytes of a frame; those of them that no page holds
PAGES = 2  # of a message of circle
SENT_ON = PAGES * 4096 - 256 - 512
FEW = 4 * PAGES  # of what belongs to warming up


def unmaps(counts):
    return counts["local"] + counts["broadcast"] + counts["queued"] + counts["ipi"]


def under(before, after, policy):
    """What was counted under a policy between two statistics."""
    return {name: value - before["policies"][policy][name] for name, value in after["policies"][policy].items()}


def check_only(before, after, policy):
    """Under no other policy was anything handed over."""
    for other in POLICIES:
        if other != policy:
            counts = under(before, after, other)
            assert not any(counts.values()), f"counted under {other} while {policy} was in force: {counts}"


# ---- Frames ----

@named("policy-switch-{policy}-{tlb}")
@pytest.mark.parametrize("tlb", TLBS)
@pytest.mark.parametrize("policy", POLICIES)
def test_switch(boot, switch, policy, tlb):
    machine = boot(switch, cpus=4, append=f"unmap={policy} tlb={tlb}").wait_ready()
    through(machine, frames=256, size=512)
    before = machine.quiet_stats()
    assert before["policy"] == {"unmap": policy, "tlb": tlb}
    frames = 5000
    assert_all_arrived(through(machine, frames=frames, size=SIZE, window=64))
    after = machine.quiet_stats(before)
    assert_pages_conserved(before, after)
    check_only(before, after, policy)
    counts = under(before, after, policy)
    # A frame's page is handed to the service, and handed on: by value, its bytes are copied each time
    assert counts["moved"] >= 2 * 2 * frames
    assert counts["copied_bytes"] == (counts["moved"] * (SIZE - INLINE) if policy == "copy" else 0)
    assert counts["mapped"] == 0 and unmaps(counts) == 0
    assert after["faults"]["violations"] == 0
    machine.halt()


class Switching:
    """Changes policies (and more) from the console, as fast as it answers, while something else goes on."""

    def __init__(self, machine, further=()):
        self.machine, self.further, self.turns = machine, further, 0

    def turn(self):
        policy, tlb = POLICIES[self.turns % 4], TLBS[self.turns // 4 % 2]
        self.order(f"policy unmap={policy} tlb={tlb}", rf"^policy: unmap={policy} tlb={tlb}\n")
        if self.further:
            command, pattern = self.further[self.turns % len(self.further)]
            self.order(command, pattern)
        self.turns += 1

    def order(self, command, pattern):
        mark = self.machine.mark()
        self.machine.send(command)
        self.machine.wait_for(pattern, since=mark)

    def during(self, work):
        """Runs work() in a thread; returns its result when it has ended."""
        result = {}

        def run():
            try:
                result["value"] = work()
            except BaseException as error:  # told in the test's own thread
                result["error"] = error

        worker = threading.Thread(target=run)
        worker.start()
        try:
            while worker.is_alive():
                self.turn()
        finally:
            worker.join()
        if "error" in result:
            raise result["error"]
        return result["value"]


def check_switching(machine, **traffic):
    through(machine, frames=256, size=512, **traffic)
    before = machine.quiet_stats()
    switching = Switching(machine, [("trust forward a", "shared memory"), ("trust forward none", "shared memory")]
                          if not traffic else [])
    while switching.turns < 8:  # each policy with each way to tell
        assert_all_arrived(switching.during(lambda: through(machine, frames=60000, size="60,512,1514", window=64, **traffic)))
    after = machine.quiet_stats(before)
    assert_pages_conserved(before, after)
    assert drops(after) == drops(before)
    for policy in POLICIES:
        counts = under(before, after, policy)
        assert counts["moved"] > 0, f"{policy} was never in force: {counts}"
        assert bool(counts["copied_bytes"]) == (policy == "copy")
    print(f"{switching.turns} changes")
    machine.halt()


@named("policy-console-switch")
def test_console_switch(boot, switch):
    """No frame is lost or damaged, no page either, and what is counted under each policy is its own."""
    check_switching(boot(switch, cpus=4).wait_ready())


@named("policy-console-while-waiting")
def test_while_waiting(boot, switch):
    """Who waits for messages that could be lent to it meets the policy of the moment at which they come."""
    machine = boot(switch, cpus=1, append="placement=trusted").wait_ready()
    ports = [machine.port(number) for number in range(2)]
    before = machine.quiet_stats()
    Switching(machine).turn()  # to copy
    frame = bytes([0xff] * 6 + [2, 0, 0, 0, 9, 0, 0x88, 0xb5] + [7] * (SIZE - 14))
    ports[0].send(frame)
    assert ports[1].receive() == frame
    counts = under(before, machine.quiet_stats(), "copy")
    assert counts["moved"] == 2 and counts["copied_bytes"] == 2 * (SIZE - INLINE), counts
    machine.halt()


@named("policy-console-router")
def test_console_router(boot, build, tmp_path):
    machine = start(boot, build.image("router"), tmp_path, TWO, cpus=4, nics=[Nic(), Nic()])
    check_switching(machine, routed=4, router=ROUTER[:2])


# ---- Pages that are used ----

class Circle:
    def __init__(self, boot, build, settings=""):
        self.machine = boot(build.image("circle"), cpus=4, nics=0, append=settings)
        self.machine.wait_for(r"^ready: ")

    def play(self, rounds, leave=0, limit=200):
        mark = self.machine.mark()
        self.machine.send(f"tell first {rounds} {leave}")
        self.machine.wait_for(rf"^.*circle: {rounds} rounds, 0 failed\n", limit, mark)

    def counted(self, policy, rounds, leave=0):
        """What `rounds` more of them add to the policy's counters, in the steady state."""
        self.play(200, leave)
        before = self.machine.quiet_stats()
        self.play(rounds, leave)
        after = self.machine.quiet_stats()
        check_only(before, after, policy)
        pages = after["pages"]
        assert pages["owned"] == 0 and pages["free"] + pages["in_flight"] == pages["total"], pages
        return under(before, after, policy)


@named("policy-circle-{policy}-{tlb}")
@pytest.mark.parametrize("tlb", TLBS)
@pytest.mark.parametrize("policy", POLICIES)
def test_circle(boot, build, policy, tlb):
    circle = Circle(boot, build, f"unmap={policy} tlb={tlb}")
    rounds, leave = 2000, 4
    inside = circle.counted(policy, rounds)
    print(inside)
    handed = rounds * PAGES * 2  # pages, sent and received: to second and back
    assert inside["moved"] == 2 * handed
    if policy == "copy":
        assert inside["copied_bytes"] == handed * 4096
        # An answer may overtake the return of the request's pages to the pool: then it takes one more, once
        assert inside["mapped"] <= FEW and unmaps(inside) == 0
    elif policy == "path":
        assert inside["kept"] == handed and inside["copied_bytes"] == 0
        assert inside["mapped"] == unmaps(inside) == 0
    else:
        assert inside["mapped"] >= handed and inside["copied_bytes"] == inside["kept"] == 0
        assert unmaps(inside) >= handed
    if policy in ("copy", "path"):
        assert 0 <= inside["scrubbed"] - rounds * PAGES <= FEW  # where a message is made: fresh pages read as zero
    if policy == "synchronous":
        assert inside["queued"] == inside["fast"] == inside["epoch"] == inside["reissued"] == 0
    if policy == "dash":
        assert inside["queued"] and inside["fast"]
    outside = circle.counted(policy, rounds, leave)
    print(outside)
    sent_on = rounds // leave
    if policy == "copy":
        assert outside["copied_bytes"] == handed * 4096 + sent_on * SENT_ON
        assert outside["mapped"] <= FEW and unmaps(outside) == 0
    if policy == "path":
        # Once, from both tables of the set; and from stranger's, who gives it up
        assert outside["kept"] == handed and outside["mapped"] >= 3 * PAGES * sent_on
        assert unmaps(outside) >= 3 * PAGES * sent_on
    for counts in (inside, outside):
        if tlb == "ipi":
            assert counts["broadcast"] == 0
            assert bool(counts["ipi"]) == (unmaps(counts) > 0)
        else:
            # Rings that hurry a freed page on (ipc/page_limbo.h): a CPU that idles has no tick of its own. One at most in two ticks,
            # and so few of the rounds; with tlb=ipi it is several in each round.
            assert counts["ipi"] <= FEW + rounds // 20
    circle.machine.halt()


@named("policy-console-circle")
def test_console_circle(boot, build):
    """Policies and trust sets change while pages circulate: every word stays what it was, and nobody sees too much."""
    circle = Circle(boot, build)
    before = circle.machine.quiet_stats()
    further = [("trust second none", r"^second +none"), ("trust first other", r"^first +other"),
               ("trust second other", r"^second +other"), ("trust first pair", r"^first +pair"),
               ("trust second pair", r"^second +pair")]

    def play():
        assert circle.machine.wait_for(r"circle: 20000 rounds, (\d+) failed\n", 200).group(1) == "0"

    circle.machine.send("tell first 20000 5")
    switching = Switching(circle.machine, further)
    switching.during(play)
    circle.play(100, 2)
    after = circle.machine.quiet_stats()
    assert after["faults"]["violations"] == 0 and "FAILED" not in circle.machine.console_text()
    pages = after["pages"]
    assert pages["owned"] == 0 and pages["free"] + pages["in_flight"] == pages["total"]
    assert wait_until(lambda: circle.machine.stats()["pages"]["free"] == before["pages"]["free"])
    assert all(under(before, after, policy)["moved"] for policy in POLICIES)
    print(f"{switching.turns} changes")
    circle.machine.halt()


@named("policy-member-dies-{policy}")
@pytest.mark.parametrize("policy", ["copy", "path"])
def test_member_dies(boot, build, policy):
    """A member of a set is killed again and again: no page is lost, and the others go on with it when it is back."""
    circle = Circle(boot, build, f"unmap={policy}")
    machine = circle.machine
    before = machine.quiet_stats()
    for _ in range(5):
        circle.play(200, 3)
        mark = machine.mark()
        machine.send("kill second")
        machine.wait_for(r"^service second starts again", since=mark)
    circle.play(500, 3)
    assert wait_until(lambda: machine.stats()["pages"]["free"] == before["pages"]["free"]), machine.stats()["pages"]
    machine.halt()


# ---- What is said ----

@named("policy-setting-wrong-{name}")
@pytest.mark.parametrize("name, words", [("unmap", "copy, synchronous, dash or path"), ("tlb", "broadcast or ipi"),
                                         ("cycles", "on or off")])
def test_setting_wrong(boot, switch, name, words):
    machine = boot(switch, append=f"{name}=sometimes")
    machine.wait_for(rf"^boot: setting {name}=sometimes: expected {words}\n")
    machine.wait_end()


@named("policy-console-mistakes")
def test_console_mistakes(boot, switch):
    """What the console does not understand changes nothing, and it says what it expected."""
    machine = boot(switch, cpus=2).wait_ready()
    before = machine.stats()
    for command, words in {
            "policy unmap=fast": "expected copy, synchronous, dash or path", "policy tlb=no": "expected broadcast or ipi",
            "policy path": "expected unmap=", "policy unmap=path tlb=": "expected broadcast or ipi",
            "policy unmap=path nonsense": "expected unmap=", "trust forward": "takes a service and the name of a set",
            "trust nobody a": "no service `nobody`", "trust net0 a": "no service `net0`", "trust forward A!": "is no name",
            "trust forward a b": "takes a service", f"trust forward {'x' * 40}": "is no name"}.items():
        assert words in machine.command(command), command
    after = machine.stats()
    assert after["policy"] == before["policy"] == {"unmap": "dash", "tlb": "broadcast"} and after["trust"] == {}
    text = machine.command("policy")
    assert re.search(r"^counted under +copy +synchronous +dash +path$", text, re.MULTILINE)
    machine.halt()
