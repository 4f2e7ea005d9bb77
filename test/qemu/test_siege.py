"""
Hostile services beside the very code that is measured. Of the switch and of the router there is an image with hostile services in it
(test/qemu/apps/besieged-*): the same kernel, the same programs, the same rows of the table, and behind them services that lie idle
until the console or a setting wakes them. The limits of instructions a frame are held on these images (test_instructions.py,
test_router.py), and the hostile services are woken in them here.
"""
import re
import struct
import time

import pytest

from harness import RAM_BASE, MachineError, Nic, wait_until
from layout import Layout, differences
from naming import named
from routing import ROUTER, TWO, start
from test_services import traffic_beside
from traffic import assert_all_arrived, by_name, drops, grown, through

ROUTED = {"routed": 4, "router": ROUTER[:2]}
PRODUCT = {"switch": "forward", "router": "router"}  # the service of each


# ---- It is the image that is measured ----

@named("siege-same-image-{appliance}")
@pytest.mark.parametrize("appliance", ["switch", "router"])
def test_same_image(build, appliance):
    """The product's image and the besieged one: the same code, of the kernel and of the service, at the same addresses; the same rows."""
    product, besieged = (Layout(build.image(name)) for name in (appliance, f"besieged-{appliance}"))
    assert product.functions == besieged.functions and len(product.functions) > 500
    assert len(product.kernel()) > 30000 and not differences(product.kernel(), besieged.kernel())
    name, _, parts = product.program(0)
    assert name == PRODUCT[appliance] and min(map(len, parts[:2])) > 0 and product.program(0) == besieged.program(0)
    for ours, theirs in zip(product.appliance(), besieged.appliance()):
        assert theirs[:len(ours)] == ours, "the product's rows are not the first of the table"


@named("siege-same-image-sees-a-difference")
def test_same_image_sees(build):
    """An instruction of another kind, or with another register, anywhere in the kernel."""
    kernel = Layout(build.image("switch")).kernel()
    for place in range(300, len(kernel) - 1100, len(kernel) // 12):
        for bit in (0, 26):
            other = list(kernel)
            other[place] ^= 1 << bit
            assert len(differences(kernel, other)) == 1, f"{4 * place:x}: bit {bit} of {kernel[place]:08x}"


# ---- Beside traffic ----

def besieged_machine(build, boot, tmp_path, appliance, **settings):
    image = build.image(f"besieged-{appliance}")
    machine = start(boot, image, tmp_path, TWO, **settings) if appliance == "router" else boot(image, **settings).wait_ready()
    machine.wait_for(r"^besieger: lies idle\n")
    return machine


def wake(machine, text, answer):
    """Tells the besieger something; once more when its own threads have taken the message, as they may."""
    for _ in range(20):
        since = machine.mark()
        machine.send(f"tell besieger {text}")
        try:
            return machine.wait_for(answer, 5, since)
        except MachineError:
            if not machine.running() or "\npanic: " in machine.console_text():
                raise
    raise AssertionError(f"the besieger does not hear `{text}`")


LIFE = 2.5  # seconds, in which each of the besieger's threads does all that it can


def besieged(machine, product, seconds):
    """Traffic for so long: not a frame is lost. What else comes out are the frames that the besieger sends."""
    options = ROUTED if product == "router" else {}
    traffic = {"frames": 3000, "size": "60,512,1514", "window": 128, "stall": 20, **options}
    assert_all_arrived(through(machine, **{**traffic, "frames": 300}))
    before, frames, elapsed, deaths = machine.stats(), 0, 0, 0
    end, born, died = time.monotonic() + seconds, 0, True
    while time.monotonic() < end or not deaths:
        if died:
            wake(machine, "all", r"^besieger: begins: all\n")
            born, since = time.monotonic(), machine.mark()
        result = through(machine, linger=20, **traffic)
        faults = {key: result[key] for key in ("lost", "wrong", "duplicated", "misdelivered")}
        assert not any(faults.values()), f"the besieger has got through: {faults}, after {frames} frames"
        frames += result["received"]
        elapsed += result["elapsed"]
        # It may also die of its own acts: one of its threads gives away the page that another one writes to.
        died = "\nbesieger: lies idle\n" in machine.console_text()[since:]
        if not died and time.monotonic() > born + LIFE:
            wake(machine, f"trespass {deaths}", r"^violation: service besieger (.*\n)*besieger: lies idle\n")
            deaths, died = deaths + 1, True
    after = machine.stats()
    besieger, other = (by_name(after["services"])[name] for name in ("besieger", product))
    print(f"{frames} frames, {frames / elapsed:.0f}/s; the besieger sent {besieger['messages_out']} messages, "
          f"was restarted {besieger['restarts']} times")
    assert "WRONG" not in machine.console_text()
    assert besieger["placement"] == "isolated"
    assert other["state"] == "running" and other["restarts"] == 0
    assert grown(before, after, "faults", "violations") == besieger["restarts"] >= deaths > 0
    assert besieger["messages_out"] > 100, "it did not even try"
    pages = after["pages"]
    assert pages["free"] + pages["owned"] + pages["in_flight"] == pages["total"], pages
    # tx_*: refused by an interface. runt: what the switch is sent by somebody who is no interface.
    assert drops(after) - drops(before) == sum(
        net["dropped"][reason] - by_name(before["net"])[net["name"]]["dropped"].get(reason, 0)
        for net in after["net"] for reason in ("tx_runt", "tx_giant", "tx_request", "runt")
        if reason in net["dropped"]), f"{product} has dropped frames"
    assert "trace: off" in machine.command("trace status")


# Seconds and CPUs.
SIEGES = {"isolated": (10, 4), "trusted": (5, 1)}


@named("siege-{appliance}-{placement}")
@pytest.mark.alone
@pytest.mark.parametrize("placement", SIEGES)
@pytest.mark.parametrize("appliance", PRODUCT)
def test_siege(build, boot, tmp_path, appliance, placement):
    """
    Forged, stale and doubled calls, lists that change while the kernel looks at them, spinning, noise, floods, hoarding, lies to
    interfaces and to who lends, and deaths in the middle of it: the product loses no frame. It may be trusted; the besieger never is.
    """
    seconds, cpus = SIEGES[placement]
    machine = besieged_machine(build, boot, tmp_path, appliance, cpus=cpus, append=f"placement={placement}", transport="pci")
    besieged(machine, PRODUCT[appliance], seconds)
    assert by_name(machine.stats()["services"])[PRODUCT[appliance]]["placement"] == placement


@named("siege-router-10-minutes")
@pytest.mark.alone
@pytest.mark.long
@pytest.mark.timeout(3600)
def test_siege_long(build, boot, tmp_path):
    besieged(besieged_machine(build, boot, tmp_path, "router", cpus=4), "router", 600)


# ---- Calls ----

@named("hostile-calls-{cpus}cpu-seed{seed}")
@pytest.mark.parametrize("cpus, seed", [(1, 1), (2, 2), (4, 3)])
def test_hostile(build, boot, cpus, seed):
    """10^5 calls with forged, stale, doubled, misaligned and kernel arguments while frames go through: none is lost."""
    machine = boot(build.image("besieged-switch"), cpus=cpus, append=f"calls=100000 seed={seed} ipc=64").wait_ready()
    before = machine.stats()
    summary = traffic_beside(machine, r"^hostile: (\d+) calls: (\d+) errors, (\d+) valid, (\d+) WRONG\n")
    calls, errors, valid, wrong = map(int, summary.groups())
    assert wrong == 0 and calls == 100000 and errors > 30000 and valid > 10000, summary.group(0)
    assert grown(before, machine.quiet_stats(), "faults", "violations") == 0
    pages = machine.quiet_stats()["pages"]
    assert pages["free"] + pages["owned"] + pages["in_flight"] == pages["total"] and pages["owned"] == 0, pages
    assert_all_arrived(through(machine, frames=2000))
    machine.halt()


@named("hostile-calls-long")
@pytest.mark.long
@pytest.mark.timeout(7200)
def test_hostile_long(build, boot):
    machine = boot(build.image("besieged-switch"), cpus=4, append="calls=100000000 seed=77 ipc=64").wait_ready()
    summary = machine.wait_for(r"^hostile: \d+ calls: \d+ errors, \d+ valid, (\d+) WRONG\n", 7000)
    assert summary.group(1) == "0", summary.group(0)


# ---- Lies to interfaces ----

HEADER = 12        # bytes of the device's header, in front of a frame
LIES = 400         # to each interface
HELD = 100         # of which so many lie in the ring when the far end does not read
ADDRESS = 0x66     # besides, see apps/siege/lies.h
INDIRECT, NEXT = 4, 1


def posted(machine, nic):
    """The frames that lie in a transmit ring, the device's header in front, as the device will read them."""
    memory, state = machine.memory_map(), machine.queue(nic, 1)
    desc, avail, size = state["vring-desc"], state["vring-avail"] - RAM_BASE, state["vring-num"]

    def parts(table, number):
        while True:
            address, length, flags, following = struct.unpack_from("<QIHH", memory, table - RAM_BASE + 16 * number)
            if flags & INDIRECT:
                yield from parts(address, 0)
            else:
                yield memory[address - RAM_BASE:address - RAM_BASE + length]
            if not flags & NEXT:
                return
            number = following

    first, (last,) = state["last-avail-idx"], struct.unpack_from("<H", memory, avail + 2)
    for index in range(first, first + ((last - first) & 0xffff)):
        (number,) = struct.unpack_from("<H", memory, avail + 4 + 2 * (index % size))
        yield b"".join(parts(desc, number))


def lie_intact(frame):
    """The rule of apps/siege/lies.h."""
    length = len(frame)
    wanted = bytes([ADDRESS] * 12 + [length & 255, length >> 8]) + bytes((7 * i + length) & 255 for i in range(14, length))
    return frame == wanted


def outcome(machine, nic):
    """Frames that went into the ring, and messages that were refused."""
    row = by_name(machine.quiet_stats()["net"])[f"net{nic}"]
    return row["tx_frames"], row["dropped"]["tx_runt"] + row["dropped"]["tx_giant"]


@named("siege-lies-to-interfaces-{transport}")
@pytest.mark.parametrize("transport", ["pci", "mmio"])
def test_lies(build, boot, tmp_path, transport):
    """
    Messages with the inline data anywhere, any length, and an order to the device where its header will lie. While the far end
    does not read, frames lie in the ring: no header there says anything. Then each comes out as it was meant, or was refused.
    """
    machine = besieged_machine(build, boot, tmp_path, "switch", nics=[Nic("patient"), Nic("patient")], shared_memory=True,
                               transport=transport)
    before = machine.quiet_stats()
    machine.send(f"tell besieger lies {LIES}")
    for nic in range(2):
        assert wait_until(lambda: len(list(posted(machine, nic))) >= HELD, limit=60), "the ring does not fill"
        bad = [frame.hex() for frame in posted(machine, nic) if any(frame[:HEADER])]
        assert not bad, f"the device is given a service's bytes as its header: {bad[0]}"
        port, told, frames = machine.port(nic), re.compile(rf"^besieger: net{nic} took (\d+) of {LIES} lies\n", re.MULTILINE), []
        while True:  # until what it said to have sent came out or was refused; the test's time limit ends it else
            frame = port.receive(0.3)
            if frame is not None:
                frames.append(frame)
                assert lie_intact(frame), f"{len(frame)} bytes: {frame.hex()}"
            elif (done := told.search(machine.console_text())) and int(done.group(1)) == sum(outcome(machine, nic)):
                break
        print(f"net{nic}: {done.group(1)} taken, {len(frames)} came out")
        assert len(frames) == outcome(machine, nic)[0] > LIES // 4
    after = machine.quiet_stats(before)
    assert after["pages"]["free"] == before["pages"]["free"], "a page leaked"
    machine.halt()
