"""
The lives of services: policies, the watchdog, limits, the console's stop, start, kill and move; services that die under a
router's load. The appliance is test/qemu/apps/lives. Services that are hostile: test_siege.py.
"""
import re
import threading
import time

import pytest

from harness import LIMIT, wait_until
from naming import named
from routing import ROUTER, TWO, start
from traffic import assert_all_arrived, by_name, drops, grown, through

ROUTED = {"routed": 4, "router": ROUTER[:2]}
PATIENCE = 250  # seconds, for what keeps a processor busy for some


@pytest.fixture
def lives(build, boot):
    machine = boot(build.image("lives"), cpus=4, nics=0).wait_ready()
    for name in ("within", "dog", "limited", "sink", "small", "rival"):
        machine.wait_for(rf"^{name}: alive\n")
    return machine


def row(machine, name):
    return by_name(machine.stats()["services"])[name]


def said(machine, line, pattern, limit=LIMIT):
    """Sends a line; waits for what the console says to it."""
    since = machine.mark()
    machine.send(line)
    return machine.wait_for(pattern, limit, since)


# ---- The operator ----

@named("lives-console-stop-start")
def test_stop_start(lives):
    """A stopped service stays so, whatever its policy, and its port is dead; a started one is pristine."""
    said(lives, "tell rival pages", r"^rival: owned 32 pages, then -11\n")
    said(lives, "stop rival", r"^service rival stopped: 16 pages given back, 0 messages dropped\n")
    assert wait_until(lambda: row(lives, "rival")["state"] == "stopped") and row(lives, "rival")["ended"] == "the operator's stop"
    said(lives, "tell rival pages", r"^tell: .* this line is lost\n")
    said(lives, "stop rival", r"^stop: rival is stopped already\n")
    said(lives, "kill rival", r"^kill: rival is not running\n")
    said(lives, "start rival", r"^rival: alive\n")
    said(lives, "start rival", r"^start: rival is running already\n")
    said(lives, "tell rival pages", r"^rival: owned 32 pages, then -11\n")
    assert "stop" in lives.command("services") and row(lives, "rival")["restarts"] == 1
    for command in ("stop", "start", "kill"):
        said(lives, f"{command} nobody", rf"^{command}: no such service")
        said(lives, f"{command} console", rf"^{command}: console belongs to the kernel")
        said(lives, command, rf"^{command}: no such service")
    lives.halt()


@named("lives-console-kill-is-a-fault")
def test_kill(lives):
    """The policy applies: within starts again three times, then it is given up; stop and start begin anew."""
    for life in range(3):
        said(lives, "kill within", r"^service within stops: the operator's kill\n")
        lives.wait_for(rf"^service within starts again \({life + 1}\)\n(.*\n)*within: alive\n")
    said(lives, "kill within", r"^service within stays stopped: 3 restarts in 60 s, as its policy allows\n")
    assert wait_until(lambda: row(lives, "within")["state"] == "stopped")
    assert row(lives, "within")["given_up"] and "given up" in lives.command("services")
    said(lives, "start within", r"^within: alive\n")
    assert not row(lives, "within")["given_up"]
    said(lives, "tell within fault", r"^violation: service within may not write to 0x0 (.*\n)*within: alive\n")
    said(lives, "kill limited", r"^service limited stopped: ")
    assert wait_until(lambda: row(lives, "limited")["state"] == "stopped"), "its policy is to stop"
    lives.halt()


@named("lives-console-move")
def test_move(lives):
    """Threads that wait move when they next have something to do, busy ones at once; the rest of what they know goes along."""
    assert row(lives, "rival")["cpu"] == 1

    lives.send("tell rival count 30000")  # ms: busy until all moves are seen
    for cpu in (3, 2, 0, 3):
        lives.send(f"move rival 0 {cpu}")
        assert wait_until(lambda: row(lives, "rival")["cpu"] == cpu, pause=0.02), f"not on CPU {cpu}"
    assert "rival: counted" not in lives.console_text(), "it was not seen on CPU 3 until it had counted"
    said(lives, "kill rival", r"^service rival starts again \(1\)\n(.*\n)*rival: alive\n")
    lives.send("tell rival count 1000")
    lives.send("move rival 0 3")
    lives.wait_for(r"^rival: counted to \d+\n")
    lives.send("move sink 0 2")
    said(lives, "tell sink drain", r"^sink: drained 0\n")
    assert wait_until(lambda: row(lives, "sink")["cpu"] == 2)
    said(lives, "move rival 2 0", r"^move: threads of rival are 0 to 1, CPUs are 0 to 3\n")
    said(lives, "move rival 0 4", r"^move: threads of rival are 0 to 1, CPUs are 0 to 3\n")
    said(lives, "move rival 1 0", r"^move: that thread of rival does not run\n")
    said(lives, "move console 0 1", r"^move: console belongs to the kernel")
    said(lives, "move nobody 0 1", r"^move: no such service")
    said(lives, "move rival", r"^move: takes ")
    lives.halt()


@named("lives-watchdog-{act}")
@pytest.mark.parametrize("act", ["spin", "doze"])
def test_watchdog(build, boot, act):
    """
    Hung in a loop or in a call: found when messages wait and none is received, and not before. Its time is the machine's, which
    here follows the instructions: else a host that does not run a CPU for 200 ms would hang its services.
    """
    machine = boot(build.image("lives"), cpus=4, nics=0, icount="shift=3").wait_ready()
    machine.wait_for(r"^dog: alive\n")
    said(machine, "tell dog drain", r"^dog: drained 0\n")
    machine.send(f"tell dog {act}")
    begin = machine.stats()["uptime_s"]
    assert wait_until(lambda: machine.stats()["uptime_s"] > begin + 1)
    assert row(machine, "dog")["restarts"] == 0, "nobody waits for it yet"
    said(machine, "tell dog drain", r"^watchdog: service dog has received nothing for 200 ms, and 1 messages wait\n"
                                    r"service dog stops: the watchdog found it hung\n"
                                    r"service dog stopped: 0 pages given back, 1 messages dropped\n(.*\n)*dog: alive\n")
    said(machine, "tell dog drain", r"^dog: drained 0\n")
    assert row(machine, "dog")["ended"] == "the watchdog found it hung" and row(machine, "dog")["lost"] == 1
    machine.halt()


@named("lives-killed-while-it-moves")
def test_killed_moving(lives):
    """A stop that meets a thread between two CPUs finds it on the other one; the next life begins where it always does."""
    for life in range(40):
        since = lives.mark()
        lives.send("tell rival spin")
        for cpu in (0, 3, life % 4, 2):
            lives.send(f"move rival 0 {cpu}")
        lives.send("kill rival")
        lives.wait_for(rf"^service rival starts again \({life + 1}\)\n(.*\n)*rival: alive\n", since=since)
    assert row(lives, "rival")["cpu"] == 1 and row(lives, "rival")["state"] == "running"
    lives.halt()


# ---- Limits ----

@named("lives-limits")
def test_limits(lives):
    """Pages, heap, messages: each ends with its error, counts are shown, and what is given back can be had again."""
    assert int(said(lives, "tell limited heap", r"^limited: has (\d+) KiB\n").group(1)) in range(48, 72)
    said(lives, "tell limited send", r"^limited: sent 8, then -11\n")
    assert (row(lives, "limited")["messages"], row(lives, "limited")["message_limit"]) == (8, 8)
    assert re.search(r"8 of 8 messages in ports", lives.command("services"))
    said(lives, "tell limited send", r"^limited: sent 0, then -11\n")
    said(lives, "tell sink drain", r"^sink: drained 8\n")
    assert row(lives, "limited")["messages"] == 0
    said(lives, "tell limited send", r"^limited: sent 8, then -11\n")
    said(lives, "kill sink", r"^service sink stopped: 0 pages given back, 8 messages dropped\n")
    assert row(lives, "limited")["messages"] == 0, "a dropped message is nobody's any more"
    said(lives, "tell limited send", r"^limited: sent 0, then -9\n")
    said(lives, "start sink", r"^sink: alive\n")
    said(lives, "tell limited send", r"^limited: sent 8, then -11\n")
    lives.halt()


@named("lives-cpu-share")
@pytest.mark.alone
def test_share(build, boot):
    """20 % of the CPU beside a rival that wants all of it; all of it when nobody else wants it. In virtual time."""
    machine = boot(build.image("lives"), cpus=1, nics=0, icount="shift=2,sleep=off").wait_ready()
    for name in ("small", "rival"):
        machine.wait_for(rf"^{name}: alive\n")
    alone = int(said(machine, "tell small count 300", r"^small: counted to (\d+)\n", PATIENCE).group(1))
    for _ in range(10):  # until the rival has counted as long as small: a busy host may let the console hear of small much later
        since = machine.mark()
        machine.send("tell rival count 1000")
        machine.send("tell small count 300")
        said_by = {name: machine.wait_for(rf"^{name}: counted to (\d+)\n", PATIENCE, since) for name in ("small", "rival")}
        if said_by["small"].start() < said_by["rival"].start():
            break
    small, rival = (int(said_by[name].group(1)) for name in ("small", "rival"))
    print(f"alone {alone}; beside a rival {small / alone:.1%}, which had {rival / alone * 0.3:.1%}")
    assert small < 0.25 * alone, "more than its share"
    assert small > 0.15 * alone, "less than its share"
    assert rival > 0.7 * alone / 0.3, "the rival got too little"
    spent = re.search(r"20 % of a CPU, spent (\d+) times", machine.command("services"))
    assert int(spent.group(1)) >= 25, "a period is 10 ms"
    machine.halt()


# ---- Deaths under load ----

def killed_once(machine, service, lanes=1, frames=12000, **options):
    """
    Kills a service in the middle of traffic. All that is lost was in its hands: it came while it was dead (no_receiver), or
    lay in its ports (lost), or it had received it and not yet sent it on (messages in, less messages out). Returns how many.
    """
    before, results = machine.quiet_stats(), []
    options = {"size": "60,1514", **options}
    run = {"frames": frames, "resume": 300, "stall": 20, **options}
    load = threading.Thread(target=lambda: results.append(through(machine, **run)))
    since = machine.mark()
    load.start()
    assert wait_until(lambda: grown(before, machine.stats(), "pages", "moved") > 4000, pause=0.02)
    machine.send(f"kill {service}")
    machine.wait_for(rf"^service {service} starts again", since=since)
    load.join()
    after = machine.quiet_stats(before)
    result = results[0]
    assert not any(result[key] for key in ("wrong", "duplicated", "misdelivered", "foreign")), result
    old, new = (by_name(stats["services"])[service] for stats in (before, after))
    lost = new["lost"] - old["lost"]
    dead = sum(net["dropped"]["no_receiver"] for net in after["net"]) - \
        sum(net["dropped"]["no_receiver"] for net in before["net"])
    held = new["messages_in"] - old["messages_in"] - (new["messages_out"] - old["messages_out"])
    others = drops(after) - drops(before) - dead
    sent = sum(flow["sent"] for flow in result["flows"])
    entered, left = (sum(net[key] for net in after["net"]) - sum(net[key] for net in before["net"])
                     for key in ("rx_frames", "tx_frames"))
    print(f"{sent} frames sent, {entered} handed to services, {left} sent out, {result['received']} received")
    print(f"lost {result['lost']}: {dead} while it was dead, {lost} in its ports, {held} in its hands, {others} told")
    assert result["lost"] == dead + lost + held, "frames are lost that nobody can tell of"
    assert held <= 64 * lanes + others + 16, "more than a batch was in the hands of each thread"
    assert new["restarts"] == old["restarts"] + 1 and new["state"] == "running"
    pages = after["pages"]
    assert pages["free"] + pages["owned"] + pages["in_flight"] == pages["total"], pages
    assert pages["free"] == before["pages"]["free"], f"a page leaked: {before['pages']} became {pages}"
    assert after["messages"] == before["messages"], "a message object leaked"
    assert result["reordered"] == 0, "a flow was overtaken in the new life"
    assert_all_arrived(through(machine, frames=1000, **options))
    return result["lost"]


def killed(machine, service, times, **options):
    traffic = {name: value for name, value in options.items() if name not in ("lanes", "frames")}
    through(machine, frames=512, **{"size": "60,1514", **traffic})
    losses = [killed_once(machine, service, **options) for _ in range(times)]
    assert any(losses), "it was never killed with anything in its hands: that proves nothing"
    machine.halt()


@named("lives-killed-under-load-{appliance}")
@pytest.mark.alone
@pytest.mark.parametrize("appliance", ["router", "switch"])
def test_killed(build, boot, tmp_path, appliance):
    """Each service of a loaded appliance, five times: forwarding resumes, and nothing is lost but what was in its hands."""
    if appliance == "router":
        killed(start(boot, build.image("router"), tmp_path, TWO, cpus=4), "router", 5, **ROUTED)
    else:
        killed(boot(build.image("switch"), cpus=4).wait_ready(), "forward", 5)


LANES = {"conversations": 8, "window": 32, "size": "72,1514"}


@named("lives-killed-under-load-switch-{lanes}-forwarders")
@pytest.mark.alone
@pytest.mark.parametrize("lanes", [3])
def test_killed_lanes(build, boot, lanes):
    """The same with several forwarding threads: all of them end together, and begin again."""
    killed(boot(build.image("switch"), cpus=4, append=f"forwarders={lanes}").wait_ready(), "forward", 5, lanes=lanes,
           frames=3000, **LANES)


@named("lives-forwarders-moved-stopped-started")
@pytest.mark.alone
def test_lanes_moved(build, boot):
    """Under load each forwarding thread goes from CPU to CPU: no frame is lost or overtaken. After a stop and a start all lanes work."""
    machine = boot(build.image("switch"), cpus=4, append="forwarders=3").wait_ready()
    results = []
    load = threading.Thread(target=lambda: results.append(through(machine, frames=6000, stall=20, **LANES)))
    before = machine.quiet_stats()
    load.start()
    assert wait_until(lambda: grown(before, machine.stats(), "pages", "moved") > 1000, pause=0.02)
    moves = 0
    while load.is_alive():
        machine.send(f"move forward {moves % 3} {(moves * 7 + moves // 3) % 4}")
        moves += 1
        time.sleep(0.02)
    load.join()
    assert_all_arrived(results[0])
    assert results[0]["reordered"] == 0 and moves > 10, f"{results[0]['reordered']} frames overtaken in {moves} moves"
    said(machine, "stop forward", r"^service forward stopped: 0 pages given back")
    assert wait_until(lambda: row(machine, "forward")["state"] == "stopped")
    said(machine, "start forward", r"^service forward starts again")
    result = through(machine, frames=500, stall=20, **LANES)
    assert_all_arrived(result)
    assert result["reordered"] == 0
    machine.halt()


@named("lives-killed-under-load-{appliance}-100-times")
@pytest.mark.alone
@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("appliance", ["router", "switch"])
def test_killed_often(build, boot, tmp_path, appliance):
    if appliance == "router":
        killed(start(boot, build.image("router"), tmp_path, TWO, cpus=4), "router", 100, **ROUTED)
    else:
        killed(boot(build.image("switch"), cpus=4).wait_ready(), "forward", 100)
