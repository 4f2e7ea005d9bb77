"""
The ledger of a run (core/ledger.h): what `trace export` printed, as Python objects. Who else is here: ledger_chrome.py writes
it for Perfetto, ledger_draw.py draws a message's way, ledger_replay.py holds it against the rules.

A trace is text, one line each; other lines are not looked at:
    ledger VERSION cpus N entries N frequency HZ pages N policy N tlb N    first
    space NUMBER TABLE TRUSTS NAME                        one for each space but the kernel's; table 0: the trusted services';
                                                          TRUSTS (hexadecimal): the tables of its trust set
    thread NUMBER SPACE SERVICE NAME                      one for each thread; SERVICE - for those of none
    e ORDER TIME CPU EVENT SPACE PAGE DETAIL              one for each event, by ORDER; hexadecimal, PAGE ffffffff: none
    ledger end N lost N                                   last: how many events, and how many were overwritten before
"""
import collections

from tools.common import Failure

VERSION = 1
EVENTS = ["nothing", "get", "send", "receive", "duplicate", "release", "filled", "sent-out", "freed", "map", "unmap",
          "protect", "ticket", "complete", "pass", "rollover", "flush", "lazy", "violation", "switch", "start", "stop",
          "policy", "call", "taken", "return", "run", "told", "copy"]
CALLS = ["send", "receive", "rpc", "reply", "page_get", "page_duplicate", "page_release", "port_find", "thread_start",
         "yield", "sleep", "exit", "log", "counters", "setting", "thread_move", "request", "request_cancel",
         "book_get", "book_bind", "book_unbind", "book_trim", "send_one", "receive_one",
         "reply_receive"]
POLICIES = ["copy", "synchronous", "dash", "path"]  # enum policy
KINDS = ["synchronous", "fast", "slow"]  # enum unmap_kind
COMPLETIONS = ["numbers compared", "issued again", "by interrupts"]
NO_PAGE = 0xFFFFFFFF
KERNEL = 0

Event = collections.namedtuple("Event", "order time cpu event space page detail")
Space = collections.namedtuple("Space", "name table trusts")
Thread = collections.namedtuple("Thread", "space service name")


class Trace:
    """What was exported. `policy` and `tlb` are those of the end; POLICY events tell of changes."""

    def __init__(self, cpus=1, frequency=1000000000, pages=0, entries=0, policy=2, tlb=0):
        self.cpus, self.frequency, self.pages, self.entries = cpus, frequency, pages, entries
        self.policy, self.tlb = policy, tlb
        self.spaces, self.threads, self.events, self.lost = {KERNEL: Space("the kernel", None, 0)}, {}, [], 0

    def space_name(self, number):
        return self.spaces[number].name if number in self.spaces else f"space {number}"

    def table_spaces(self, table):
        return [number for number, space in self.spaces.items() if number != KERNEL and space.table == table]

    def whole(self):
        """
        The end of the trace from where nothing is missing: when the rings of some CPUs came round, what the others noted
        before has gaps beside it.
        """
        counts = collections.Counter(event.cpu for event in self.events)
        full = [cpu for cpu, count in counts.items() if self.lost and count >= self.entries - 1]
        first = {}
        for event in self.events:
            first.setdefault(event.cpu, event.order)
        begin = max((first[cpu] for cpu in full), default=0)
        self.events = [event for event in self.events if event.order >= begin]
        return self

    def ns(self, event):
        return (event.time - self.events[0].time) * 1000000000 / self.frequency


def header(words):
    numbers = dict(zip(words[2::2], map(int, words[3::2])))
    if words[1] != str(VERSION):
        raise Failure(f"the trace is of version {words[1]}, this program reads {VERSION}")
    return Trace(**{name: numbers[name] for name in ("cpus", "entries", "frequency", "pages", "policy", "tlb")})


def parse(text):
    """The trace in the text; anything else in it, as the rest of a console, is left out. Failure: it is none, or not whole."""
    trace, ended = None, False
    for number, line in enumerate(text.split("\n"), 1):
        words = line.split()
        try:
            if words[:1] == ["ledger"] and len(words) > 5 and words[1] != "end":
                trace, ended = header(words), False
            elif trace is None or ended or not words:
                continue
            elif words[0] == "e" and len(words) == 8:
                order, time, cpu, event, space, page, detail = (int(word, 16) for word in words[1:])
                trace.events.append(Event(order, time, cpu, EVENTS[event], space, None if page == NO_PAGE else page, detail))
            elif words[0] == "space" and len(words) == 5:
                trace.spaces[int(words[1])] = Space(words[4], int(words[2]), int(words[3], 16))
            elif words[0] == "thread" and len(words) == 5:
                trace.threads[int(words[1])] = Thread(int(words[2]), words[3], words[4])
            elif words[:2] == ["ledger", "end"] and len(words) == 5:
                ended, trace.lost = True, int(words[4])
                if int(words[2]) != len(trace.events):
                    raise Failure(f"the trace says that it has {words[2]} events, {len(trace.events)} are there")
        except (ValueError, KeyError, IndexError) as error:
            raise Failure(f"line {number} of the trace cannot be read ({error}): {line}") from None
    if trace is None or not ended:
        raise Failure("this is no trace: it has no " + ("beginning" if trace is None else "end"))
    return trace


def text_of(trace):
    """The trace as parse() reads it."""
    lines = [f"ledger {VERSION} cpus {trace.cpus} entries {trace.entries} frequency {trace.frequency} pages {trace.pages} "
             f"policy {trace.policy} tlb {trace.tlb}"]
    lines += [f"space {number} {space.table} {space.trusts:x} {space.name}" for number, space in trace.spaces.items() if number != KERNEL]
    lines += [f"thread {number} {thread.space} {thread.service} {thread.name}" for number, thread in trace.threads.items()]
    lines += [f"e {e.order:x} {e.time:x} {e.cpu:x} {EVENTS.index(e.event):x} {e.space:x} "
              f"{NO_PAGE if e.page is None else e.page:x} {e.detail:x}" for e in trace.events]
    return "\n".join(lines) + f"\nledger end {len(trace.events)} lost {trace.lost}\n"


# ---- What `detail` means (core/ledger.h) ----

def map_of(event):
    """(table, writable)"""
    return event.detail & 0xFF, bool(event.detail >> 8 & 1)


def unmap_of(event):
    """(kind, table, CPUs that may hold the entry)"""
    return KINDS[event.detail & 0xFF], event.detail >> 8 & 0xFF, cpus_of(event.detail >> 16)


def cpus_of(mask):
    return [cpu for cpu in range(64) if mask >> cpu & 1]


def ticket_of(event):
    """(cpu, number)"""
    return event.detail >> 32, event.detail & 0xFFFFFFFF


def thread_of(event):
    return event.detail & 0xFF


def call_of(event):
    number = event.detail >> 8 & 0xFF
    return CALLS[number] if number < len(CALLS) else f"call {number}"


def flags_of(event):
    return event.detail >> 16 & 0xFFFF


def result_of(event):
    value = event.detail >> 32
    return value - (1 << 32) if value >> 31 else value


def describe(event):
    """The detail in words, for people."""
    if event.event == "map":
        table, writable = map_of(event)
        return f"in table {table}{', writable' if writable else ''}"
    if event.event in ("unmap", "protect"):
        kind, table, cpus = unmap_of(event)
        return f"{kind}, in table {table}, CPUs {', '.join(map(str, cpus)) or 'none'}"
    if event.event == "ticket":
        return "CPU {}, pass {}".format(*ticket_of(event))
    if event.event == "complete" and event.detail < len(COMPLETIONS):
        return COMPLETIONS[event.detail]
    return str(event.detail)
