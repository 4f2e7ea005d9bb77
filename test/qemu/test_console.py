"""The console of interface.md, as scripts and people use it."""
import re

import pytest

from naming import named

MEMBERS = {
    "appliance": str, "board": str, "cpus": int, "uptime_s": (int, float),
    "services": [{"name": str, "placement": str, "cpu": int, "state": str, "restarts": int, "messages_in": int,
                  "messages_out": int, "instructions": int}],
    "net": [{"name": str, "rx_frames": int, "rx_bytes": int, "tx_frames": int, "tx_bytes": int, "dropped": dict}],
    "pages": {"total": int, "free": int, "owned": int, "in_flight": int, "moved": int, "mapped": int,
              "never_mapped": int},
    "copied": {"payload_bytes": int, "inline_bytes": int, "block_bytes": int},
    "tlb": {"local": int, "broadcast": int, "reissued": int, "queued": int, "skipped": int, "ipi": int,
            "barriers": int},
    "faults": {"lazy_maps": int, "violations": int},
}


def assert_shape(value, shape, where="stats"):
    if isinstance(shape, dict):
        for name in shape:
            assert name in value, f"{where} lacks {name}"
            assert_shape(value[name], shape[name], f"{where}.{name}")
    elif isinstance(shape, list):
        assert value, f"{where} is empty"
        for row in value:
            assert_shape(row, shape[0], f"{where}[]")
    else:
        assert isinstance(value, shape), f"{where} is {value!r}"


@pytest.fixture
def machine(boot, switch):
    return boot(switch, cpus=2).wait_ready()


@named("console-stats-json-members")
def test_members(machine):
    stats = machine.stats()
    assert_shape(stats, MEMBERS)
    assert [net["name"] for net in stats["net"]] == ["net0", "net1"]
    names = [service["name"] for service in stats["services"]]
    assert {"net0", "net1", "forward"} <= set(names) and len(names) == len(set(names))
    forward = stats["services"][names.index("forward")]
    assert forward["placement"] == "isolated" and forward["state"] == "running" and forward["restarts"] == 0
    pages = stats["pages"]
    assert pages["free"] + pages["owned"] + pages["in_flight"] == pages["total"] > 0
    assert machine.stats()["uptime_s"] > stats["uptime_s"]


@named("console-commands-answer")
def test_commands(machine):
    text = machine.command("help")
    for command in ("help", "stats", "services", "ports", "pages", "trace", "halt"):
        assert command in text, f"help does not name {command}"
    for command, words in {"stats": ["net0"], "services": ["forward", "isolated"], "ports": ["forward"],
                           "pages": ["free"], "trace": ["packet"]}.items():
        text = machine.command(command)
        for word in words:
            assert word in text, f"{command} does not say {word}: {text}"


@named("console-unknown-command")
def test_unknown(machine):
    assert "frobnicate" in machine.command("frobnicate now")
    assert "help" in machine.command("frobnicate now")
    machine.command("stats jsonn")
    assert machine.stats()["cpus"] == 2


@named("console-takes-all-at-once")
def test_much(machine):
    """More than it has room for, while its answers are printed: the rest waits at the UART."""
    start, count = machine.mark(), 100
    machine.serial.sendall(b"".join(b"help\rnonsense-%d\r" % number for number in range(count)))
    machine.wait_for(rf"^nonsense-{count - 1}: no such command", since=start)
    said = re.findall(r"^nonsense-(\d+): no such command", machine.console_text()[start:], re.MULTILINE)
    assert said == [str(number) for number in range(count)]


@named("console-edits-lines")
def test_editing(machine):
    before = machine.mark()
    machine.serial.sendall(b"stats jzz\x7f\x7fson\r")
    machine.wait_for(r"^\{.*\}\n", since=before)
    before = machine.mark()
    machine.serial.sendall(b"nonsense\x15stats json\r")
    machine.wait_for(r"^\{.*\}\n", since=before)
    machine.serial.sendall(b"x" * 5000 + b"\r")
    machine.serial.sendall(bytes(range(1, 32)) + bytes(range(127, 256)) + b"\r\x15\r")
    assert machine.stats()["cpus"] == 2
    machine.halt()



@named("console-incomplete-lines-are-not-run")
def test_incomplete(machine):
    """A line that is too long, and one of which something was lost: `halt` is not what was meant."""
    refused = r"^console: a line that was too long, or not received whole, is not run"
    start = machine.mark()
    machine.send("halt" + " " * 116 + "not")
    machine.wait_for(refused, since=start)
    start = machine.mark()
    machine.serial.sendall(b"halt ")
    machine.wait_for(r"^halt ", since=start)
    machine.qmp_command("chardev-send-break", id="console")   # as a damaged character: the receiver says so
    machine.serial.sendall(b"\r")
    machine.wait_for(refused, since=start)
    for again in (b"x" * 200 + b"\x15help\r", b"x" * 200 + b"\x03help\r", b"help\r"):    # and that is forgotten
        start = machine.mark()
        machine.serial.sendall(again)
        machine.wait_for(r"^halt +powers off", since=start)
        assert "not run" not in machine.console_text()[start:]
    assert machine.stats()["cpus"] == 2
