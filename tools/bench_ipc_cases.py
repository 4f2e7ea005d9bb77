"""What ./baton bench ipc measures: the parts of it, and of each the cases, in the boots that they need."""
import collections

KINDS = ["oneway", "rpc"]
SIZES = [64, 256, 1024, 4096, 16384, 65536, 1 << 18, 1 << 20, 4 << 20]
TOUCHES = ["none", "header", "all"]
POLICIES = ["copy", "synchronous", "dash", "path"]
PLACEMENTS = ["isolated", "trusted"]
PARTS = {"rows": "by size, by what is read, by CPU, one way and there and back", "chains": "through 1 to 8 services",
         "touched": "by how many bytes of a large message are read",
         "wide": "both ends have been live on both CPUs, so that each unmap concerns both"}
# Messages in a burst, and bursts in a run; about as much as a pipe holds, so that a switch is shared by as many
BURSTS = {64: (16, 20), 256: (16, 20), 1024: (16, 20), 4096: (16, 20), 16384: (16, 12), 65536: (8, 12), 1 << 18: (4, 12),
          1 << 20: (2, 10), 4 << 20: (1, 6)}
BLOCK = 64  # CONTENT_BLOCK of apps/bench-ipc/content.h: the least that is sent, and read
STAGES = 8
# Without --full: calls of these sizes only; chains as long as these; trusted services one way on one CPU
RPC_SIZES = [64, 4096, 65536, 1 << 20]
CHAINS = [1, 2, 4, 8]
CHAIN_SIZES = [64, 4096, 65536]
TOUCHED_SIZES = [65536, 1 << 20]
READS = [0, 64, 4096, 16384, 65536, 1 << 18, 1 << 20, 4 << 20]
WIDE_SIZES = [4096, 65536, 1 << 20]

Case = collections.namedtuple("Case", "part kind size touch read services cpus")
Boot = collections.namedtuple("Boot", "placement policy wide")


def read_of(size, touch):
    return {"none": 0, "header": BLOCK, "all": size}[touch]


def touch_of(size, read):
    return "none" if not read else "all" if read == size else "header" if read == BLOCK else "part"


def cpus_of(options):
    return max(options.cpus or [2])


def chosen(options):
    """Something was asked for: then all of that is measured, else what takes a few minutes."""
    return options.full or any((options.kind, options.bytes, options.touch, options.policy, options.placement,
                                options.services))


def parts_of(options):
    if options.part:
        return list(dict.fromkeys(options.part))
    if options.services:
        return ["chains"]
    return ["rows"] if (options.kind or options.bytes or options.touch) else list(PARTS)


def where_of(options):
    return ["same", "cross"][:cpus_of(options)]


def sized(options, sizes, usual):
    """(size, touch) of a part that has these sizes, or of those that were asked for."""
    for size in options.bytes or sizes:
        for touch in options.touch or usual:
            if size != BLOCK or touch != "header" or options.touch:  # its header is all of it
                yield size, touch


def rows(options, boot):
    usual = not chosen(options)
    for kind in options.kind or KINDS:
        for size, touch in sized(options, SIZES, TOUCHES):
            if usual and kind == "rpc" and (size not in RPC_SIZES or boot.placement == "trusted"):
                continue
            for cpus in where_of(options)[:1 if usual and boot.placement == "trusted" else 2]:
                yield Case("rows", kind, size, touch, read_of(size, touch), 1, cpus)


def chains(options, boot):
    if not options.full and not options.placement and boot.placement == "trusted":
        return
    for services in options.services or (range(1, STAGES + 1) if options.full else CHAINS):
        for size, touch in sized(options, CHAIN_SIZES + [1 << 20] * bool(options.full), ["none", "all"]):
            for cpus in where_of(options)[:2 if options.full else 1]:
                yield Case("chains", "oneway", size, touch, read_of(size, touch), services, cpus)


def touched(options, boot):
    if not options.full and not options.placement and boot.placement == "trusted":
        return
    for size in options.bytes or TOUCHED_SIZES:
        for read in sorted({read for read in READS if read < size} | {size}):
            yield Case("touched", "oneway", size, touch_of(size, read), read, 1, "same")


def wide(options, boot):
    for size, touch in sized(options, SIZES if options.full else WIDE_SIZES, TOUCHES):
        for cpus in where_of(options):
            yield Case("wide", "oneway", size, touch, read_of(size, touch), 1, cpus)


MAKERS = {"rows": rows, "chains": chains, "touched": touched, "wide": wide}


def plan(options):
    """Boots, and the cases of each."""
    parts = parts_of(options)
    found = {}
    for wide_boot in (False, True):
        for placement in [options.placement] if options.placement else PLACEMENTS:
            for policy in options.policy or POLICIES:
                boot = Boot(placement, policy, wide_boot)
                if wide_boot and (cpus_of(options) < 2 or placement == "trusted" and not chosen(options)):
                    continue
                cases = [case for part in parts if (part == "wide") == wide_boot for case in MAKERS[part](options, boot)]
                if cases:
                    found[boot] = cases
    return found
