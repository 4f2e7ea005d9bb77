"""
The ledger of a run (core/ledger.h): what `trace export` printed, as Python objects.

A trace is text, one line each:
    ledger VERSION cpus N entries N frequency HZ lost N   first
    space NUMBER TABLE NAME                               one for each service
    e ORDER TIME CPU EVENT SPACE PAGE DETAIL              one for each event, by ORDER; hexadecimal, PAGE - for none
    ledger end N                                          last: how many events
"""

EVENTS = ["nothing", "get", "send", "receive", "duplicate", "release", "filled", "sent-out", "freed", "map", "unmap",
          "protect", "ticket", "complete", "pass", "rollover", "flush", "lazy", "violation", "switch", "start", "stop",
          "policy", "call", "taken", "return", "run"]
