"""./baton run: builds an appliance, boots it in QEMU, puts traffic through it, shows it live, prints a summary."""
import contextlib
import json
import pathlib
import tempfile
import time

from tools import build, demonstration, ledger, ledger_chrome, setup, ways
from tools.capture import Capture
from tools.common import Failure, say
from tools.machine import Machine, Nic, command_line
from tools.table import Table, describe

SECONDS = 20
TRACED = 16384  # entries of each CPU's ring with --trace: what the console prints in a few seconds
QUIET_LIMIT = 60  # seconds after the traffic until no page may be on its way any more


class Results:
    def __init__(self, table):
        self.table, self.steps = table, []

    def do(self, name, work):
        """One step: shown while it runs, kept for the summary. A failed one does not stop the next."""
        self.table.step = name
        numbers = {}
        try:
            text, numbers = work()
            ok = True
        except Failure as failure:
            text, ok = str(failure), False
        self.steps.append({"name": name, "ok": ok, "text": text, **numbers})
        self.table.note(f"{'ok  ' if ok else 'FAIL'} {name:24} {text}")
        return ok

    def ok(self):
        return all(step["ok"] for step in self.steps)


def quiet_pages(machine):
    """At a quiet point every page is free, owned or in flight, and none has been lost."""
    end = time.monotonic() + QUIET_LIMIT
    while True:
        pages = machine.stats()["pages"]
        found = pages["free"] + pages["owned"] + pages["in_flight"]
        if found == pages["total"]:
            return (f"free {pages['free']:,} + owned {pages['owned']:,} + in flight {pages['in_flight']:,} = "
                    f"{pages['total']:,}"), {}
        if time.monotonic() > end:
            raise Failure(f"{found:,} of {pages['total']:,} pages are accounted for")
        time.sleep(0.2)


def demonstrate(results, machine, steps):
    for name, step in steps:
        results.do(name, lambda: step(results.table.tick))
        if not machine.alive():
            raise Failure("the machine ended by itself; " + machine.story())
    results.do("no page lost", lambda: quiet_pages(machine))


def save_trace(machine, path):
    """The newest of what happened, as far as every CPU's ring reaches back."""
    trace = ledger.parse(machine.trace())
    noted = len(trace.events) + trace.lost
    trace.whole()
    ledger_chrome.save(trace, path)
    first, last = (trace.events[0], trace.events[-1]) if trace.events else (None, None)
    span = (last.time - first.time) / trace.frequency if first else 0
    return (f"the last {span:.3f} s, {len(trace.events):,} of {noted:,} events: {path}",
            {"events": len(trace.events), "noted": noted})


def watch(table, machine, seconds):
    """No hosts of ours: shows the table until the time is over, or until Ctrl-C when none was given."""
    table.step = f"running for {seconds} s" if seconds else "running until Ctrl-C"
    end = time.monotonic() + seconds if seconds else None
    try:
        while end is None or time.monotonic() < end:
            table.tick()
            time.sleep(0.1)
            if not machine.alive():
                raise Failure("the machine ended by itself; " + machine.story())
    except KeyboardInterrupt:
        if seconds:
            raise


def summary(results, machine, stats, seconds):
    print("\n" + "\n".join(describe(stats)))
    remarks = machine.remarks()
    print("\nThe guest's own words:")
    for line in remarks[:2] + ["..."] * (len(remarks) > 14) + remarks[2:][-12:]:
        print(f"    {line}")
    failed = [step["name"] for step in results.steps if not step["ok"]]
    print(f"\n{len(results.steps) - len(failed)} of {len(results.steps)} steps succeeded in {seconds:.0f} s"
          + (f"; failed: {', '.join(failed)}" if failed else ""), flush=True)


def write_json(options, way, results, stats):
    answer = {"appliance": options.appliance, "hosts": way and way.name, "cpus": options.cpus, "memory_mib": options.memory,
              "ok": results.ok(), "steps": results.steps, "stats": stats}
    pathlib.Path(options.json).write_text(json.dumps(answer, indent=1) + "\n")


def main(options):
    for file in filter(None, [options.json, options.pcap, options.trace]):
        open(file, "a").close()  # a mistake in the name shows now, not after the run
    way = None if options.net else ways.choose(options.hosts or "auto")
    setup.ensure("run" if way and way.real else "boot", options.toolchain, options.libc)
    image = build.image(options.appliance, build.preset_of(options))
    begin, show = time.monotonic(), demonstration.of(options.appliance)
    with contextlib.ExitStack() as stack:
        hosts, nics = [], [Nic(spec=spec) for spec in options.net]
        if way:
            for host in show.hosts(way.make):
                hosts.append(host)
                stack.callback(host.close)
            say(way.describe(hosts))
            nics = [host.nic() for host in hosts]
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="baton-")))
        config = options.config
        if hosts and show.config and not config:
            config = str(folder / "demonstration.conf")
            pathlib.Path(config).write_text(show.config)
        recorder = Capture(options.pcap, len(nics)) if options.pcap else None
        recorders = [recorder] * bool(recorder)
        for each in recorders:
            stack.callback(each.close)
        settings = [each.setting for each in recorders] + [f"ledger={TRACED}", "trace=on"] * bool(options.trace)
        words = command_line(image, options.cpus, options.memory, options.placement, config, nics + recorders,
                             options.disk, settings)
        say(f"booting {build.shown(image)} in QEMU, {options.cpus} CPUs, {options.memory} MiB")
        machine = Machine(words, nics + recorders)
        stack.callback(machine.kill)
        table = Table(f"{options.appliance} on virt, {options.cpus} CPUs", machine)
        results = Results(table)
        booted = results.do("boot", lambda: (machine.wait_ready(), {}))
        stats = None
        if booted:
            if hosts:
                demonstrate(results, machine, way.steps(show, *hosts, options.seconds or SECONDS, folder))
            else:
                watch(table, machine, options.seconds)
            stats = machine.stats()
            if options.trace:
                results.do("trace", lambda: save_trace(machine, options.trace))
            results.do("halt", lambda: (machine.halt(), {}) and ("powered off", {}))
        if recorder:
            recorder.close(stats["capture"]["missed"] if stats else 0)
            results.do("capture", lambda: (f"{recorder.text()}: {options.pcap}", recorder.numbers()))
        table.clear()
        if stats:
            summary(results, machine, stats, time.monotonic() - begin)
        if options.json:
            write_json(options, way, results, stats)
        return 0 if results.ok() else 1
