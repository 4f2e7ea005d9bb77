"""
gdb's view of a Baton guest: spaces, the ownership of IPC pages, ports and their queues, services and threads. ./baton debug
loads it. It reads the kernel's own structures by their debug information, so the guest must have set up its memory: before
boot_main has come that far, the tables are empty and the commands say so.

    baton            the list of commands
"""
import gdb

PAGE_NOBODY = 63


def value(name):
    return gdb.parse_and_eval(name)


def number(name):
    return int(value(name))


def text(pointer):
    return pointer.string() if int(pointer) else "-"


def enum(name, prefix):
    """The enumerator without its prefix, small."""
    return str(name).replace(prefix, "").lower()


def rows(heads, body):
    cells = [heads, *[[str(cell) for cell in row] for row in body]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads))]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def services():
    return [value("services")[i] for i in range(number("service_count"))]


def space_name(space):
    """A space's number, and whose it is."""
    if space == 0:
        return "0 (kernel)"
    for service in services():
        if int(service["space"]) and int(service["program"]) and int(service["space"]["number"]) == space:
            return f"{space} ({text(service['name'])})"
    return str(space)


def array(symbol, count, file):
    """A static array of one of the kernel's files: other files may have one of the same name."""
    return [value(f"'{file}'::{symbol}")[i] for i in range(count)]


class Baton(gdb.Command):
    """Shows what a Baton guest is made of: baton spaces, page N, pages, ports, services, threads."""

    def __init__(self):
        super().__init__("baton", gdb.COMMAND_DATA, prefix=True)

    def invoke(self, argument, from_tty):
        print("baton spaces    protection domains, their tables, ASIDs and the CPUs that may hold translations")
        print("baton page N    who owns IPC page N, what of it is visible, who has it mapped")
        print("baton pages     how many are free, in the kernel's hands, and with each space")
        print("baton ports     ports, what is queued in them, who waits")
        print("baton services  services, their placement, state, counters")
        print("baton threads   threads, where they run, what they wait for")


class Shown(gdb.Command):
    """A subcommand; gdb.error of a guest that has not come so far becomes one line."""

    def __init__(self, name):
        super().__init__(f"baton {name}", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        try:
            self.show(argument.strip())
        except gdb.MemoryError as error:
            print(f"the guest's memory cannot be read so early or from here ({error}): let it boot first")


class Spaces(Shown):
    """Protection domains: number, owner, table, ASID, bitmap of CPUs, pages owned."""

    def show(self, argument):
        body, seen = [], set()
        for service in services():
            space = service["space"]
            if not int(space) or int(space["number"]) in seen:
                continue
            seen.add(int(space["number"]))
            table = space["table"]
            body.append([space_name(int(space["number"])), "-" if not int(table) else hex(int(table)),
                         "-" if not int(table) else int(table["asid"]) & 0xFFFF,
                         "-" if not int(table) else f"{int(table['cpus']):08b}", int(space["pages"]),
                         int(space["page_limit"])])
        rows(["space", "table", "asid", "cpus", "pages", "limit"], body)


def state_fields(state):
    """The state word of a page: the shifts of ipc/page_state.h."""
    return {"locked": state & 1, "shared": state >> 1 & 1, "mapped": state >> 3 & 1, "cached": state >> 27 & 1,
            "device": state >> 28 & 1, "owner": state >> 4 & 63, "filler": state >> 29 & 63, "total": state >> 10 & 0xFFFF,
            "start": state >> 38 & 8191, "end": state >> 51 & 8191}


def owners(page, fields):
    """(space, ownerships, mapped) of each owner."""
    if not fields["total"]:
        return []
    if not fields["shared"]:
        return [(fields["owner"], fields["total"], fields["mapped"])]
    slots = [page["slots"][i] for i in range(int(page["used"]))]
    return [(int(slot["space"]), int(slot["count"]), int(slot["mapped"])) for slot in slots]


class Page(Shown):
    """The ownership of one IPC page: baton page NUMBER, or an address in the IPC region."""

    def show(self, argument):
        count = number("page_table_count")
        try:
            which = int(gdb.parse_and_eval(argument)) if argument else -1
        except gdb.error:
            which = -1
        if which >= 0x4000000000:
            which = (which - 0x4000000000) >> 12
        if not 0 <= which < count:
            print(f"baton page: takes the number of a page, 0 to {count - 1}, or an address in one" if count else
                  "there are no pages yet: the guest has not made their table")
            return
        page = value("page_table")[which]
        fields = state_fields(int(page["state"]))
        print(f"page {which}: frame {number('page_region_phys') + which * 4096:#x}, address "
              f"{0x4000000000 + which * 4096:#x}")
        for space, ownerships, mapped in owners(page, fields):
            print(f"  owner: space {space_name(space)}, {ownerships} ownerships, {'mapped' if mapped else 'not mapped'}")
        if not fields["total"]:
            print("  free")
        flags = [name for name in ("locked", "shared", "cached", "device") if fields[name]]
        previous = int(page["handed"]) & 63  # when is above: page_handed()
        print(f"  carries bytes {fields['start']} to {fields['end']}; "
              f"filled by {'nobody' if fields['filler'] == PAGE_NOBODY else 'space ' + space_name(fields['filler'])}; "
              f"before: {'nobody' if previous == PAGE_NOBODY else 'space ' + space_name(previous)}"
              f"{'; ' + ', '.join(flags) if flags else ''}")


class Pages(Shown):
    """How many IPC pages are free, and how many each space owns."""

    def show(self, argument):
        count, found = number("page_table_count"), {}
        if not count:
            print("there are no pages yet: the guest has not made their table")
            return
        size = value("page_table").dereference().type.sizeof
        offset = int(gdb.parse_and_eval("(unsigned long)&((struct page *)0)->state"))
        ready = int(gdb.parse_and_eval("(unsigned long)&((struct page *)0)->ready"))  # for a device: nobody's (ipc/page_device.h)
        memory = gdb.selected_inferior().read_memory(int(value("page_table")), count * size).tobytes()
        for which in range(count):
            at = which * size + offset
            state = int.from_bytes(memory[at:at + 8], "little")
            owner = -2 if memory[which * size + ready] or not state >> 10 & 0xFFFF else -1 if state >> 1 & 1 else state >> 4 & 63
            found[owner] = found.get(owner, 0) + 1
        names = {-2: "free", -1: "several spaces"}
        rows(["pages", "owner"], [[found[owner], names.get(owner) or f"space {space_name(owner)}"]
                                  for owner in sorted(found)] + [[count, "in all"]])


class Ports(Shown):
    """Ports: receiver, messages queued, places, pages queued, threads that wait."""

    def show(self, argument):
        body = []
        for port in array("ports", int(value("'ipc/port.c'::port_count")), "ipc/port.c"):
            queued = (int(port["tail"]) - int(port["head"])) & 0xFFFFFFFF
            body.append([port["name"].string(), text(port["receiver"]["name"]), queued, int(port["capacity"]),
                         int(port["pages"]), bin(int(port["receivers"])).count("1"), bin(int(port["senders"])).count("1"),
                         "closed" if int(port["closed"]) else "open"])
        rows(["port", "receiver", "queued", "places", "pages", "receiving", "sending", "state"], body)


class Services(Shown):
    """Services: placement, state, restarts, messages in and out."""

    def show(self, argument):
        body, cpus = [], range(number("cpu_count"))
        for service in services():
            counts = service["counts"]
            body.append([text(service["name"]), "isolated" if "ISOLATED" in str(service["placement"]) else "trusted",
                         ("running", "stopping", "stopped", "starting")[int(service["state"])], int(service["restarts"]),
                         int(service["space"]["number"]), sum(int(counts[cpu]["messages_in"]) for cpu in cpus),
                         sum(int(counts[cpu]["messages_out"]) for cpu in cpus)])
        rows(["service", "placement", "state", "restarts", "space", "in", "out"], body)


class Threads(Shown):
    """Threads: name, service, CPU, state."""

    def show(self, argument):
        states, body = ("run", "notified", "parked", "dead"), []
        current = [int(value("cpus")[cpu]["current"]) for cpu in range(number("cpu_count"))]
        for thread in array("threads", int(value("'ipc/thread.c'::thread_count")), "ipc/thread.c"):
            body.append([int(thread["number"]), text(thread["name"]),
                         text(thread["service"]["name"]) if int(thread["service"]) else "-", int(thread["cpu"]),
                         states[int(thread["state"])] + (" *" if int(thread.address) in current else "")])
        rows(["thread", "name", "service", "cpu", "state (* on its CPU now)"], body)


Baton()
for name, command in (("spaces", Spaces), ("page", Page), ("pages", Pages), ("ports", Ports), ("services", Services),
                      ("threads", Threads)):
    command(name)
