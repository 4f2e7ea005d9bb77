"""
A ledger for Perfetto (ui.perfetto.dev) and chrome://tracing, in the JSON Trace Event format: a process for each service, in it
a thread for each CPU that ran it; threads of services and their system calls as slices; unmaps, invalidations and faults as
instants; arrows for pages that change hands.
"""
import json

from tools import ledger

INSTANTS = ("unmap", "protect", "ticket", "complete", "pass", "rollover", "flush", "violation", "lazy", "map", "switch",
            "start", "stop", "policy")
KERNEL_PROCESS = "the kernel"


class Writer:
    """Goes through the events in their order, and remembers who runs on each CPU and what each thread is doing."""

    def __init__(self, trace):
        self.trace, self.out = trace, []
        self.processes = {KERNEL_PROCESS: 1}
        self.lanes = set()
        self.running = {}   # CPU: (thread, since)
        self.calls = {}     # thread: [name, since, arguments]: the call that it is in
        self.arrows = {}    # page: (identity, from where) of the hand-over that is under way
        self.count = 0

    def pid(self, name):
        return self.processes.setdefault(name, len(self.processes) + 1)

    def service_of(self, number):
        thread = self.trace.threads.get(number)
        return KERNEL_PROCESS if thread is None or thread.service == "-" else thread.service

    def process_of(self, event):
        """The service for which it was done: the one that the space is, or the driver that runs there."""
        if event.space != ledger.KERNEL:
            return self.trace.space_name(event.space)
        running = self.running.get(event.cpu)
        return self.service_of(running[0]) if running else KERNEL_PROCESS

    def put(self, kind, name, process, cpu, ns, **more):
        self.lanes.add((process, cpu))
        self.out.append({"ph": kind, "name": name, "cat": more.pop("cat", "ledger"), "pid": self.pid(process), "tid": cpu,
                         "ts": round(ns / 1000, 3), **more})

    def slice(self, name, process, cpu, begin, end, args):
        self.put("X", name, process, cpu, begin, dur=round(max(end - begin, 1) / 1000, 3), args=args)

    # ---- Slices: who runs, in which call ----

    def leave(self, cpu, ns):
        """The thread that ran on the CPU runs no more: its slices end."""
        if cpu not in self.running:
            return
        thread, since = self.running.pop(cpu)
        known = self.trace.threads.get(thread)
        if known is None or known.name == "idle":
            return
        self.slice(known.name, self.service_of(thread), cpu, since, ns, {"thread": thread})
        if thread in self.calls:
            name, begin, args = self.calls[thread]
            self.slice(name, self.service_of(thread), cpu, max(begin, since), ns, args)

    def run(self, event, ns):
        self.leave(event.cpu, ns)
        self.running[event.cpu] = (ledger.thread_of(event), ns)

    def call(self, event, ns):
        thread = ledger.thread_of(event)
        self.running.setdefault(event.cpu, (thread, ns))
        self.calls[thread] = [ledger.call_of(event), ns, {"thread": thread, "flags": ledger.flags_of(event)}]

    def taken(self, event, ns):
        if ledger.thread_of(event) in self.calls:
            self.put("i", "taken", self.process_of(event), event.cpu, ns, s="t", args={"messages": event.detail >> 16})

    def ret(self, event, ns):
        thread = ledger.thread_of(event)
        name, begin, args = self.calls.pop(thread, [ledger.call_of(event), None, {"thread": thread}])
        since = self.running.get(event.cpu, (thread, ns))[1]
        begin = since if begin is None else max(begin, since)
        self.slice(name, self.process_of(event), event.cpu, begin, ns, {**args, "result": ledger.result_of(event)})

    # ---- Pages ----

    def arrow_out(self, event, ns):
        self.count += 1
        self.arrows[event.page] = self.count
        self.put("s", f"page {event.page}", self.process_of(event), event.cpu, ns, cat="page", id=self.count)

    def arrow_in(self, event, ns):
        identity = self.arrows.pop(event.page, None)
        if identity is not None:
            self.put("f", f"page {event.page}", self.process_of(event), event.cpu, ns, cat="page", id=identity, bp="e")

    def page(self, event, ns):
        if event.event in ("receive", "sent-out"):
            self.arrow_in(event, ns)
        if event.event in ("send", "filled"):
            self.arrow_out(event, ns)
        self.put("i", f"{event.event} page {event.page}", self.process_of(event), event.cpu, ns, cat="page", s="t",
                 args={"page": event.page, "detail": event.detail})

    def instant(self, event, ns):
        name = event.event if event.page is None else f"{event.event} page {event.page}"
        self.put("i", name, self.process_of(event), event.cpu, ns, cat="tlb", s="t",
                 args={"page": event.page, "what": ledger.describe(event)})

    def write(self):
        special = {"run": self.run, "call": self.call, "taken": self.taken, "return": self.ret}
        for event in self.trace.events:
            work = special.get(event.event) or (self.instant if event.event in INSTANTS else self.page)
            work(event, self.trace.ns(event))
        if self.trace.events:
            for cpu in list(self.running):
                self.leave(cpu, self.trace.ns(self.trace.events[-1]))
        names = [{"ph": "M", "name": "process_name", "pid": pid, "args": {"name": name}}
                 for name, pid in self.processes.items()]
        names += [{"ph": "M", "name": "thread_name", "pid": self.pid(process), "tid": cpu, "args": {"name": f"CPU {cpu}"}}
                  for process, cpu in sorted(self.lanes)]
        return {"traceEvents": names + self.out, "displayTimeUnit": "ns",
                "otherData": {"lost": self.trace.lost, "cpus": self.trace.cpus}}


def chrome(trace):
    """The trace as an object to be dumped as JSON."""
    return Writer(trace).write()


def save(trace, path):
    with open(path, "w") as file:
        json.dump(chrome(trace), file, separators=(",", ":"))
        file.write("\n")
