"""./baton new: the folder of an appliance that builds, runs, and waits to be changed."""
import re

from tools import build
from tools.common import ROOT, Failure, say

LONGEST = 20
# Names that mean something else: to the build, to the console and its ports, in apps/.
RESERVED = {"all", "appliance", "build_id", "capture", "clean", "console", "docs", "edit_cache", "forward", "help", "host",
            "install", "lib", "list", "net", "rebuild_cache", "service", "services", "test", "virt"}

APPLIANCE = """\
/*
 * The appliance NAME: which services there are, and who may send to whom.
 *
 *   net0, net1, ... --> NAME --> net0, net1, ...
 *
 * A further service is a row more here, its wires, and a word more in CMakeLists.txt. core/abi.h tells what a row means.
 */
#include "apps/baton.h"

static const struct baton_service services[] = {
    {
        .name = "NAME",
        .program = "NAME",
        .placement = BATON_ISOLATED,
        .on_fault = BATON_RESTART,
        .threads = 1,
        .cpu = 2,
        .queue = 512,
        .heap = 64 * 1024,
        .pages = 256,
    },
};

static const struct baton_wire wires[] = {
    {"net*", "NAME"},
    {"NAME", "net*"},
};

const struct baton_appliance appliance = {
    .name = "NAME",
    .services = services,
    .service_count = sizeof services / sizeof services[0],
    .wires = wires,
    .wire_count = sizeof wires / sizeof wires[0],
};
"""

SERVICE = """\
/*
 * The service NAME: what comes in by net0 goes out by net1, and the other way round, as through a cable. decide() is the
 * place for a mind of its own. apps/baton.h documents every call; apps/net has elements to build with.
 */
#include "apps/baton.h"
#include "apps/net/mirror.h"

#define NOWHERE (-1)

static struct baton_message frames[BATON_BATCH];
static struct baton_message *inbox[BATON_BATCH];

/* The number of the interface that a frame goes to, or NOWHERE. Its header is at data + inline_offset. */
static int decide(const struct baton_message *frame)
{
    return frame->source == 0 ? 1 : frame->source == 1 ? 0 : NOWHERE;
}

/* What is dropped is counted, shown to a capture (./baton run --pcap), and freed: its pages would be lost otherwise. */
static void drop(struct baton_message *frame, uint64_t *counter, const char *reason)
{
    ++*counter;
    mirror_drop(frame, frame->source, reason);
    baton_message_free(frame);
}

int main(void)
{
    const int in = baton_port_find("NAME");
    const int out[] = {baton_port_find("net0"), baton_port_find("net1")};
    uint64_t *nowhere = baton_counter("nowhere", -1), *refused = baton_counter("refused", -1);

    for (unsigned i = 0; i < BATON_BATCH; i++)
        inbox[i] = &frames[i];
    for (;;) {
        int count = baton_receive_batch(in, inbox, BATON_BATCH, 0, BATON_FOREVER);
        if (count < 0)
            return 1;
        for (int i = 0; i < count; i++) {
            int to = decide(inbox[i]);
            if (to == NOWHERE)
                drop(inbox[i], nowhere, "nowhere");
            else if (baton_send(out[to], inbox[i], 0, BATON_NO_WAIT) < 0)
                drop(inbox[i], refused, "refused");
        }
    }
}
"""

BUILD = "baton_appliance(NAME SERVICES NAME=NAME.c)\n"


def check(name):
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or len(name) > LONGEST:
        raise Failure(f"`{name}` is no name for an appliance: it takes small letters, digits and single hyphens, begins with "
                      f"a letter, and has at most {LONGEST} characters", status=2)
    if name in RESERVED or re.fullmatch(r"net\d+", name):
        raise Failure(f"`{name}` means something else already; choose another name", status=2)
    for folder in (ROOT / "apps", ROOT / "test/qemu/apps"):
        if (folder / name).exists():
            raise Failure(f"there is {build.shown(folder / name)} already; it was left as it is", status=2)


def main(options):
    name = options.name
    check(name)
    folder = ROOT / "apps" / name
    folder.mkdir()
    for file, text in (("appliance.c", APPLIANCE), (f"{name}.c", SERVICE), ("CMakeLists.txt", BUILD)):
        (folder / file).write_text(text.replace("NAME", name))
        print(build.shown(folder / file))
    say(f"now: ./baton run {name}")
    return 0
