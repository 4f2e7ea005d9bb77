"""The ledger of a machine under test (core/ledger.h), as tools/ledger.py reads it."""
import re
import struct
import sys
import time

from building import ROOT
from harness import LIMIT, MachineError

sys.path.insert(0, str(ROOT))
from tools import ledger  # noqa: E402

ON = "trace=on ledger=65536"  # settings: from the boot on, with rings that hold a test's worth
ENTRY = struct.Struct("<QQQIBBBB")  # struct ledger_entry: order, time, detail, page, event, space, cpu, spare


def exported(machine, limit=120):
    """Turns the ledger off and reads it. Looks at the end of the output only: there may be megabytes."""
    start = machine.mark()
    machine.send("trace off")
    machine.send("trace export")
    end = time.monotonic() + limit
    with machine.news:
        while "\nledger end " not in machine.output[max(start, len(machine.output) - 400):]:
            if machine.ended or time.monotonic() > end:
                raise MachineError("`trace export` did not come to its end")
            machine.news.wait(0.5)
    machine.wait_for(r"^ledger end .*\n", LIMIT, max(start, machine.mark() - 400))
    return ledger.parse(machine.console_text()[start:])


def remembered(machine, limit=LIMIT):
    """
    What exported() returns, of a ledger that was on from the boot, out of the machine's memory: a console takes a minute for
    200,000 events. The machine stands still then, in the middle of its export, of which the beginning is used.
    """
    machine.command("trace off")
    rows = re.findall(r"^  CPU \d+: (\d+) noted, (\d+) of them overwritten, memory at (0x[0-9a-f]+)$",
                      machine.command("trace status"), re.MULTILINE)
    start = machine.mark()
    machine.send("trace export")
    head = machine.wait_for(r"^ledger \d(?:.*\n)+?(?=e 1 )", limit, start).group(0)
    machine.qmp_command("stop")
    trace = ledger.parse(f"{head}ledger end 0 lost {sum(int(lost) for _, lost, _ in rows)}\n")
    assert len(rows) == trace.cpus and not trace.lost, rows
    for noted, _, memory in rows:
        file = machine.folder / "ring"
        machine.qmp_command("pmemsave", val=int(memory, 16), size=int(noted) * ENTRY.size, filename=str(file))
        trace.events += [ledger.Event(order, ticks, cpu, ledger.EVENTS[event], space, None if page == ledger.NO_PAGE else page,
                                      detail)
                         for order, ticks, detail, page, event, space, cpu, _ in ENTRY.iter_unpack(file.read_bytes())]
    trace.events.sort(key=lambda event: event.order)
    return trace
