"""Drives the traffic generator (tools/native/generator.c) and says what a machine's counters must have done meanwhile."""
import json
import subprocess

from building import generator


def generate(sockets, timeout=250, **options):
    """
    Runs the generator between the sockets. Options are the generator's own: frames, size, window, flow, loose, deaf
    (lists repeat an option), stall, resume, linger, count, warm, routed, router. Returns its result.
    """
    command = [str(generator())]
    for name, value in options.items():
        for one in value if isinstance(value, (list, tuple)) else [value]:
            command += [f"--{name}", str(one)]
    command += [str(path) for path in sockets]
    kept = [int(word[3:]) for word in command if word.startswith("fd:")]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout,
                          pass_fds=kept)
    assert done.returncode == 0, f"the generator said: {done.stderr.strip()}"
    return json.loads(done.stdout)


def through(machine, timeout=250, **options):
    """generate() between all NICs of a machine, which a busy host may run late: what does not come is waited for longer."""
    return generate([nic.far_end() for nic in machine.nics], timeout=timeout, **{"stall": 30, **options})


def assert_all_arrived(result):
    """None lost, none wrong, none twice, none where it does not belong."""
    faults = {key: result[key] for key in ("lost", "wrong", "duplicated", "misdelivered", "foreign")}
    assert not any(faults.values()), f"the switch changed the traffic: {faults}, in flows {result['flows']}"


def grown(before, after, *path):
    """By how much a counter has grown between two statistics."""
    for name in path:
        before, after = before[name], after[name]
    return after - before


def by_name(rows):
    return {row["name"]: row for row in rows}


def drops(stats):
    """All frames that were dropped, by any interface and for any reason."""
    return sum(sum(net["dropped"].values()) for net in stats["net"])


def assert_pages_conserved(before, after):
    """Invariant 5 of the ownership table, at a quiet point: every frame is accounted for, and none has leaked."""
    pages = after["pages"]
    assert pages["free"] + pages["owned"] + pages["in_flight"] == pages["total"], f"frames are missing: {pages}"
    assert pages["free"] == before["pages"]["free"], f"a page leaked: {before['pages']} became {pages}"


def assert_not_copied(before, after, frames, hand_overs=3):
    """No payload was copied or mapped; inline data at most once for each frame and hand-over."""
    assert after["copied"]["payload_bytes"] == 0, "payload was copied"
    assert grown(before, after, "pages", "mapped") == 0, "a page of the traffic was mapped"
    inline = grown(before, after, "copied", "inline_bytes")
    assert inline <= 128 * hand_overs * frames, \
        f"{inline / frames:.1f} inline bytes copied per frame, more than 128 for each of {hand_overs} hand-overs"


def assert_messages_counted(before, after, frames_in, services=("net0", "forward", "net1")):
    """Each frame crossed the services: their message counters grew with the frames."""
    old, new = by_name(before["services"]), by_name(after["services"])
    for name in services:
        for direction in ("messages_in", "messages_out"):
            assert new[name][direction] - old[name][direction] >= frames_in[name], \
                f"{name}: {direction} grew from {old[name][direction]} to {new[name][direction]}, " \
                f"but {frames_in[name]} frames went through"
