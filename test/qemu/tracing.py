"""The ledger of a machine under test (core/ledger.h), as tools/ledger.py reads it."""
import sys
import time

from building import ROOT
from harness import MachineError

sys.path.insert(0, str(ROOT))
from tools import ledger  # noqa: E402

ON = "trace=on ledger=65536"  # settings: from the boot on, with rings that hold a test's worth


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
    machine.wait_for(r"^ledger end .*\n", 5, max(start, machine.mark() - 400))
    return ledger.parse(machine.console_text()[start:])
