"""
The former owner probes after every hand-over (issue 4; DASH 3.4; ipc/page.h 3). test/qemu/apps/probe gives pages away and
goes on reading and writing them from three CPUs, whose TLBs really hold the old translations: QEMU keeps them until it is
told. Whom the receiver does not trust never sees or changes anything once receive has returned; whom it trusts does so now
and then, until the passes are made.
"""
import re

import pytest

from harness import wait_until
from naming import named

ROW = re.compile(r"^judge: (\w+) to (\w+), (untrusted|trusted), (untrusting|trusting): (\d+) rounds, (\d+) undone, (\d+) seen, "
                 r"(\d+) changed, latest (\d+) us, (\d+) lasted$", re.MULTILINE)
# Figures 3A to 3D differ from the others in that somebody may see something.
WAYS = {"sent": 1, "duplicated": 2, "shared": 4, "forwarded": 8, "kept": 16}
LAZY = ["dash"]
POLICIES = LAZY


class Row:
    """What judge counted for one way, receiver and trust."""

    def __init__(self, found):
        self.text = found.group(0)
        self.way, self.receiver = found.group(1, 2)
        self.sender_trusted, self.trusting = found.group(3) == "trusted", found.group(4) == "trusting"
        self.rounds, self.undone, self.seen, self.changed, self.latest, self.lasted = map(int, found.group(*range(5, 11)))


def probe(machine, rounds, limit):
    """Waits until all rounds are played; returns judge's rows."""
    # Not wait_for(): every round prints some lines, and it would look through all of them at each
    done = wait_until(lambda: "judge: probe: " in machine.console_text()[-200:] or machine.ended, limit)
    text = machine.console_text()
    assert done and not machine.ended, f"the rounds did not end within {limit} s"
    rows = [Row(found) for found in ROW.finditer(text)]
    assert rows and sum(row.rounds for row in rows) == rounds, text[-4000:]
    return rows


def check_nothing_leaks(rows):
    """Between an untrusting receiver and the former owner; and of a page that was shared, to anybody."""
    wrong = [row.text for row in rows if (not row.trusting or row.way == "shared") and (row.seen or row.changed)]
    wrong += [row.text for row in rows if row.lasted]
    assert not wrong, "\n".join(wrong)


def check_machine(machine, rows):
    """Each round but the last has ended by giver's violation, and by nobody else's; no page is lost."""
    text = machine.console_text()
    assert set(re.findall(r"^violation: service (\w+)", text, re.MULTILINE)) == {"giver"}
    pages = machine.quiet_stats()["pages"]
    assert pages["owned"] == 0 and pages["free"] == pages["total"], pages


def play(build, boot, policy, tlb, rounds, limit=120, options=None, settings="", **machine_settings):
    append = f"unmap={policy} tlb={tlb} rounds={rounds} {settings}"
    machine = boot(build.image("probe", options), cpus=4, nics=0, append=append, **machine_settings)
    return machine, probe(machine, rounds, limit)


def check_policy(build, boot, policy, tlb, rounds, limit):
    machine, rows = play(build, boot, policy, tlb, rounds, limit)
    check_nothing_leaks(rows)
    lazy = [row for row in rows if row.trusting and row.way != "shared"]
    seen, changed = sum(row.seen for row in lazy), sum(row.changed for row in lazy)
    if policy in LAZY:
        assert seen and changed, f"deferred unmaps, and nobody noticed:\n{machine.console_text()[-4000:]}"
    else:
        assert not seen and not changed, "\n".join(row.text for row in lazy)
    check_machine(machine, rows)
    machine.halt()


@named("probe-{policy}-{tlb}")
@pytest.mark.parametrize("tlb", ["broadcast"])
@pytest.mark.parametrize("policy", POLICIES)
def test_probe(build, boot, policy, tlb):
    check_policy(build, boot, policy, tlb, 400, 120)


@named("probe-{policy}-{tlb}-long")
@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("tlb", ["broadcast"])
@pytest.mark.parametrize("policy", POLICIES)
def test_probe_long(build, boot, policy, tlb):
    check_policy(build, boot, policy, tlb, 10000, 1100)


# ---- Kernels with a mistake: the probe must see it. What the rows of the untrusting say is the failure. ----

SEEDS = {
    "local-tlbi": "sent",
    "pending-lost": "forwarded",
    "dropped-tlbi": "sent",
    "bitmap-bit": "sent",
    "downgrade-skipped": "duplicated",
    "write-early": "shared",
}
KEPT_SHORT = ["local-tlbi", "pending-lost"]


@named("seeded-qemu-{seed}")
@pytest.mark.parametrize("seed", [pytest.param(seed, marks=[] if seed in KEPT_SHORT else pytest.mark.long)
                                  for seed in SEEDS])
def test_seeded(build, boot, seed):
    way = SEEDS[seed]
    rows = play(build, boot, "dash", "broadcast", 80, options={"BATON_SEED": seed},
                settings=f"ways={WAYS[way]} patience=50")[1]
    with pytest.raises(AssertionError, match=f"{way} to "):
        check_nothing_leaks(rows)
