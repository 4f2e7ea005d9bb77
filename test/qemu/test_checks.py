"""The checks that other tests rest on refuse statistics that are wrong: one invented fault each."""
import copy

import pytest

from naming import named
from traffic import assert_messages_counted, assert_not_copied, assert_pages_conserved

FRAMES = 1000
BEFORE = {
    "pages": {"total": 100, "free": 60, "owned": 10, "in_flight": 30, "mapped": 5},
    "copied": {"payload_bytes": 0, "inline_bytes": 50},
    "services": [{"name": name, "messages_in": 7, "messages_out": 7} for name in ("net0", "forward", "net1")],
}


def after(change):
    stats = copy.deepcopy(BEFORE)
    stats["copied"]["inline_bytes"] += 3 * 128 * FRAMES
    for row in stats["services"]:
        row["messages_in"] += FRAMES
        row["messages_out"] += FRAMES
    change(stats)
    return stats


def check(stats):
    assert_pages_conserved(BEFORE, stats)
    assert_not_copied(BEFORE, stats, FRAMES)
    assert_messages_counted(BEFORE, stats, {"net0": FRAMES, "forward": FRAMES, "net1": FRAMES})


FAULTS = {
    "lost-page": lambda stats: stats["pages"].update(in_flight=29),
    "leaked-page": lambda stats: stats["pages"].update(free=59, in_flight=31),
    "copied-payload": lambda stats: stats["copied"].update(payload_bytes=1),
    "inline-byte-too-many": lambda stats: stats["copied"].update(inline_bytes=50 + 3 * 128 * FRAMES + 1),
    "mapped-page": lambda stats: stats["pages"].update(mapped=6),
    "uncounted-message": lambda stats: stats["services"][1].update(messages_out=7 + FRAMES - 1),
}


@named("checks-refuse-{fault}")
@pytest.mark.parametrize("fault", FAULTS)
def test_refused(fault):
    check(after(lambda stats: None))
    with pytest.raises(AssertionError):
        check(after(FAULTS[fault]))
