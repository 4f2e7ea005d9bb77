"""
Replays a ledger against the rules of ownership and unmapping: the invariants of ipc/page.h and mm/unmap.h, and figure 3 of the
paper. What it finds is what the kernel did and should not have done; the words of a complaint begin with the rule.

A trace from the boot (trace=on) that lost nothing is judged whole. Of one that begins later, a page is judged from
when it is handed out or free: what was before is not known. A trace with losses is refused: what is missing could be anything.

    python3 -m tools.ledger_replay FILE...
"""
import bisect
import collections
import pathlib
import sys

from tools import ledger
from tools.common import Failure

KERNEL = ledger.KERNEL
OWNERSHIPS_MOST = 0xFFFF


class Broken(Failure):
    """A rule that the trace breaks."""


class Page:
    def __init__(self, known):
        self.owners = collections.Counter() if known else None  # space: ownerships; None: not known yet
        self.mapped = {}      # table: writable
        self.untold = {}      # table: (CPU, kind, passes made by then) of an unmap that is gathered there
        self.tickets = {}     # CPU: the pass that the page waits for
        self.writers = False  # something pending lets somebody write
        self.readers = False  # something pending is of a shared page
        self.sent_out = False
        # Of the last unmap, until what it was for is known: CPU, kind, table, holders, shared, order of that CPU's event before.
        self.unmapped = None

    def total(self):
        return sum(self.owners.values())


class Replay:
    def __init__(self, trace):
        self.trace = trace
        self.whole = bool(trace.events) and trace.events[0].order == 1
        self.pages = collections.defaultdict(lambda: Page(self.whole))
        self.ended = {cpu: 0 for cpu in range(trace.cpus)} if self.whole else {}
        self.gathered = collections.defaultdict(set)  # CPU: pages with unmaps that are not told
        changed = any(event.event == "policy" for event in trace.events)
        self.policy = None if changed else ledger.POLICIES[trace.policy]  # None: which unmap is chosen is not judged
        self.flush_due = set()
        self.joined = {}     # (CPU, table): order of the CPU's last switch to the table
        self.last = {}       # CPU: order of its event before this one
        self.counts = collections.Counter()
        self.event = None
        self.of_cpu = collections.defaultdict(list)  # CPU: its events
        for event in trace.events:
            self.of_cpu[event.cpu].append(event)

    # ---- What is said when a rule is broken ----

    def require(self, condition, rule, text):
        if not condition:
            event = self.event
            page = "" if event.page is None else f" page {event.page}"
            raise Broken(f"{rule}: {text} (event {event.order}: CPU {event.cpu}, {self.trace.space_name(event.space)}, "
                         f"{event.event}{page}, {ledger.describe(event)})")

    # ---- State ----

    def passed(self, cpu, number):
        return cpu not in self.ended or self.ended[cpu] >= number

    def waits_for(self, page):
        """CPUs whose pass the page's unmaps still wait for."""
        return sorted(cpu for cpu, number in page.tickets.items() if not self.passed(cpu, number))

    def settle(self, page):
        if not self.waits_for(page) and not page.untold:
            page.tickets.clear()
            page.writers = page.readers = False

    def trusts(self, space):
        return self.trace.spaces[space].trusts if space in self.trace.spaces else 0

    def table_of(self, space):
        return self.trace.spaces[space].table if space in self.trace.spaces else None

    def own(self, page, space):
        self.require(page.owners[space] > 0, "page 6", f"{self.trace.space_name(space)} does not own the page")

    def lose(self, page, space, count=1):
        page.owners[space] -= count
        if page.owners[space] <= 0:
            del page.owners[space]
            table = self.table_of(space)
            kept = table is not None and self.trusts(space) >> table & 1
            self.require(space == KERNEL or kept or table not in page.mapped, "page 3",
                         f"{self.trace.space_name(space)} gave its last ownership up and still has the page mapped")

    def gain(self, page, space):
        page.owners[space] += 1
        self.require(page.total() <= OWNERSHIPS_MOST, "page 1", "more ownerships than can be counted")
        if page.total() > 1:
            self.require(not any(page.mapped.values()), "page 2", "the page has more than one owner and is mapped writable")

    def nothing_pending(self, page, rule, what):
        self.require(not page.untold, rule, f"{what} before an unmap was told to any TLB")
        self.require(not self.waits_for(page), rule,
                     f"{what} before the unmaps are complete, on CPUs {self.waits_for(page)}")

    # ---- Ownership ----

    def get(self, event, page):
        self.require(not page.owners, "page 1", f"a page that is owned is handed out: {dict(page.owners or {})}")
        self.nothing_pending(page, "page 4", "the page is handed out")
        allowed = self.trusts(event.space) | self.trusts(event.detail)
        self.require(all(allowed >> table & 1 for table in page.mapped), "page 4",
                     "the page is handed out while it is mapped outside the trust set")
        self.settle(page)
        page.owners = collections.Counter({event.space: 1})

    def joins(self, cpu, table):
        """The CPU was just coming: it is a holder from before its switch is noted, and notes nothing in between."""
        events = self.of_cpu[cpu]
        following = bisect.bisect_right(events, self.event.order, key=lambda event: event.order)
        return following < len(events) and events[following].event == "switch" and events[following].detail & 0xFF == table

    def chosen(self, event, page, release):
        """Figure 3: which unmap there was, when the policy is known."""
        if page.unmapped is None or self.policy not in ("synchronous", "dash", "path"):
            return
        cpu, kind, table, holders, shared, before = page.unmapped
        if cpu != event.cpu:
            return
        others = [holder for holder in holders if holder != cpu]
        # CPUs come and go between the choice, which was right, and what was noted of it.
        came = all(self.joined.get((other, table), before) >= before or self.joins(other, table) for other in others)
        went = not others and any(other != cpu and joined == table for other, joined in self.joined)
        if came if kind == "synchronous" else went:
            return
        trusted = event.event == "send" and event.detail >> 1 & 1
        if self.policy == "synchronous":
            expected = "synchronous"
        elif release:
            expected = "slow"
        elif not others:
            expected = "synchronous"
        else:
            expected = "slow" if shared or trusted else "fast"
        self.require(kind == expected, "figure 3", f"the unmap is {kind}, it should be {expected}")

    def send(self, event, page):
        self.own(page, event.space)
        if not event.detail & 1:
            self.chosen(event, page, False)
            self.lose(page, event.space)
        self.gain(page, KERNEL)

    def receive(self, event, page):
        self.own(page, KERNEL)
        self.lose(page, KERNEL)
        self.settle(page)
        if not event.detail & 1 and (page.writers or page.untold):
            self.nothing_pending(page, "page 3", "a receiver that does not trust has the page")
        self.gain(page, event.space)
        allowed = self.trusts(event.space)
        for space in page.owners:
            table = self.table_of(space)
            allowed |= 0 if table is None else 1 << table
        strays = [table for table in page.mapped if not allowed >> table & 1]
        self.require(not strays, "page 3", f"tables {strays} have the page mapped, and none of their spaces owns it")

    def duplicate(self, event, page):
        self.own(page, event.space)
        self.gain(page, event.space)
        self.require(page.total() == event.detail, "page 1", f"{page.total()} ownerships are accounted for")

    def release(self, event, page):
        self.own(page, event.space)
        count = page.total() - event.detail
        self.require(1 <= count <= page.owners[event.space], "page 1",
                     f"{count} ownerships went, {page.owners[event.space]} were there")
        if event.space != KERNEL:
            self.chosen(event, page, True)
        self.lose(page, event.space, count)
        page.sent_out = False

    def filled(self, event, page):
        self.own(page, KERNEL)
        self.require(page.total() == 1 and not page.mapped, "page 4", "a device wrote to a page that others have")

    def sent(self, event, page):
        self.own(page, KERNEL)
        page.sent_out = True

    def freed(self, event, page):
        if page.sent_out and page.owners == {KERNEL: 1}:
            page.owners.clear()  # SENT_OUT took the last one
        self.require(not page.owners, "page 1", f"the page is owned: {dict(page.owners or {})}")
        self.nothing_pending(page, "page 4", "the page is free")
        self.settle(page)
        page.owners, page.sent_out = collections.Counter(), False

    # ---- Translations ----

    def map(self, event, page):
        table, writable = ledger.map_of(event)
        self.own(page, event.space)
        self.require(table == self.table_of(event.space), "page 3", "the entry is in another space's table")
        self.settle(page)
        if writable:
            self.require(page.total() == 1, "page 2", "the page has more than one owner and is mapped writable")
            self.require(not page.readers, "page 2", f"readers are not cut off yet, on CPUs {self.waits_for(page)}")
            others = [other for other in page.mapped if other != table and not self.trusts(event.space) >> other & 1]
            self.require(not others, "page 3", f"tables {others} have the page too")
        page.mapped[table] = writable

    def unmap(self, event, page):
        kind, table, holders = ledger.unmap_of(event)
        protect = event.event == "protect"
        self.require(table in page.mapped, "unmap", f"table {table} has no entry for the page")
        self.require(not protect or page.mapped[table], "unmap", f"the entry in table {table} was not writable")
        shared = page.total() > 1
        harmless = not page.mapped[table] and not shared  # a book's list, or not written to since it was shared
        if protect:
            page.mapped[table] = False
        else:
            page.mapped.pop(table, None)
            page.unmapped = None if harmless else (event.cpu, kind, table, holders, shared, self.last.get(event.cpu, 0))
        if kind != "synchronous":
            page.readers |= shared and not protect
            page.writers |= protect or not (shared or harmless)
        page.untold[table] = (event.cpu, kind, dict(self.ended))
        self.gathered[event.cpu].add(event.page)

    def told(self, event):
        kind, table, count = ledger.KINDS[event.detail & 0xFF], event.detail >> 8 & 0xFF, event.detail >> 16
        mine = (event.cpu, kind)
        done = [number for number in self.gathered[event.cpu] if self.pages[number].untold.get(table, ())[:2] == mine]
        self.require(len(done) == count or not self.whole, "unmap 1", f"{len(done)} unmaps were gathered, {count} are told")
        for number in done:
            page = self.pages[number]
            del page.untold[table]
            if not any(cpu == event.cpu for cpu, *_ in page.untold.values()):
                self.gathered[event.cpu].discard(number)

    def nothing_gathered(self, event):
        self.require(not self.gathered[event.cpu], "unmap 1",
                     f"the CPU goes on while unmaps of pages {sorted(self.gathered[event.cpu])[:5]} are not told")

    def ticket(self, event, page):
        cpu, number = ledger.ticket_of(event)
        # By now that CPU may have made the pass; but not when the entry was cleared.
        made = max((ended.get(cpu, 0) for teller, _, ended in page.untold.values() if teller == event.cpu), default=0)
        self.require(page.untold, "unmap 3", "nothing was unmapped that the ticket could be for")
        self.require(number > made, "unmap 3",
                     f"the ticket names a pass that CPU {cpu} had made before the unmap: it was at {made}")
        page.tickets[cpu] = number

    def complete(self, event, page):
        if event.detail != 1:
            self.nothing_pending(page, "unmap 4", "the page is said to be complete")
        page.tickets.clear()
        page.writers = page.readers = False

    def passes(self, event):
        before = self.ended.get(event.cpu)
        self.require(before is None or event.detail == before + 1, "unmap 2", f"the pass before it was {before}")
        self.ended[event.cpu] = event.detail

    # ---- Others ----

    def stop(self, event):
        kept = [number for number, page in self.pages.items() if page.owners and page.owners[event.space] > 0]
        self.require(not kept, "page 5", f"the service stopped and still owns pages {kept[:5]}")

    def switch(self, event):
        self.nothing_gathered(event)
        self.joined[event.cpu, event.detail & 0xFF] = event.order
        # A switch that was under way at the roll-over kept its number; the next one must flush.
        late = event.cpu in self.flush_due and (event.cpu, "late") in self.flush_due
        self.require(not late, "space 3", "the CPU has not flushed since the ASIDs were given out anew")
        if event.cpu in self.flush_due:
            self.flush_due.add((event.cpu, "late"))

    def rollover(self, event):
        self.flush_due = set(range(self.trace.cpus))

    def flush(self, event):
        self.flush_due -= {event.cpu, (event.cpu, "late")}
        self.joined = {key: order for key, order in self.joined.items() if key[0] != event.cpu}

    def policy_set(self, event):
        self.policy = ledger.POLICIES[event.detail & 0xFF]

    # ---- All of it ----

    OF_PAGES = {"get": get, "send": send, "receive": receive, "duplicate": duplicate, "release": release, "filled": filled,
                "sent-out": sent, "freed": freed, "map": map, "unmap": unmap, "protect": unmap, "ticket": ticket,
                "complete": complete}
    OTHERS = {"told": told, "pass": passes, "stop": stop, "switch": switch, "rollover": rollover, "flush": flush,
              "policy": policy_set, "return": nothing_gathered}
    ENDS_CHOICE = ("send", "release", "receive", "get", "freed")

    def step(self, event):
        self.event = event
        self.counts[event.event] += 1
        if event.event in self.OF_PAGES:
            page = self.pages[event.page]
            if page.owners is None and event.event not in ("get", "freed"):
                return
            self.OF_PAGES[event.event](self, event, page)
            if event.event in self.ENDS_CHOICE:
                page.unmapped = None
        elif event.event in self.OTHERS:
            self.OTHERS[event.event](self, event)

    def run(self):
        last, times = None, {}
        for event in self.trace.events:
            self.event = event
            self.require(last is None or event.order == last + 1, "whole", f"events after {last} are missing")
            self.require(event.time >= times.get(event.cpu, 0), "whole", "the CPU's time went back")
            last, times[event.cpu] = event.order, event.time
            self.step(event)
            self.last[event.cpu] = event.order
        return self.counts


def check(trace):
    """Counts of what was replayed; Broken when a rule is, or when the trace is not whole."""
    if trace.lost:
        raise Broken(f"whole: {trace.lost} entries of the ledger were overwritten: what is missing could be anything")
    return Replay(trace).run()


def main(paths):
    for path in paths:
        counts = check(ledger.parse(pathlib.Path(path).read_text()))
        print(f"{path}: {sum(counts.values()):,} events follow the rules: "
              + ", ".join(f"{name} {count:,}" for name, count in counts.most_common()))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Failure as failure:
        print(failure, file=sys.stderr)
        sys.exit(1)
