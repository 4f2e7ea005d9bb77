"""
Draws figures 3A to 3D of the paper (DASH 3.4) from what a machine really did: the calls of sender and receiver, and the unmap in
the TLB of each CPU that may have held the translation. Time goes to the right, long waits cut short; the numbers are true.

    python3 -m tools.ledger_draw TRACE FOLDER    figure-3a.svg to figure-3d.svg from an exported trace
    python3 -m tools.ledger_draw --run FOLDER    boots test/qemu/apps/figures for it
"""
import collections
import math
import pathlib
import sys

from tools import ledger
from tools.common import Failure

TITLES = {
    "A": "mapped on the sender's CPU alone: synchronous_unmap()",
    "B": "several owners, read-only: slow_asynchronous_unmap()",
    "C": "the receiver does not trust: fast_asynchronous_unmap(), and receive() waits",
    "D": "the receiver trusts: slow_asynchronous_unmap(), and nobody waits",
}

Bar = collections.namedtuple("Bar", "begin end cpu")
Story = collections.namedtuple("Story", "figure page sender receiver send unmap waits receive tlbs how")


class Reader:
    """Finds hand-overs in a trace, each with all that belongs to it."""

    def __init__(self, trace):
        self.trace, self.events = trace, trace.events

    def find(self, index, condition, step=1):
        """The first event from `index` on, or back, for which the condition holds, and its index; (None, None)."""
        while 0 <= index < len(self.events):
            if condition(self.events[index]):
                return self.events[index], index
            index += step
        return None, None

    def call_around(self, index, cpu):
        """(CALL, TAKEN or None, RETURN) of the call in whose midst the CPU is."""
        inner, _ = self.find(index, lambda e: e.cpu == cpu and e.event in ("call", "taken", "return"), -1)
        if inner is None or inner.event == "return":
            return None
        thread = ledger.thread_of(inner)
        call, _ = self.find(index, lambda e: e.event == "call" and ledger.thread_of(e) == thread, -1)
        end, _ = self.find(index, lambda e: e.event == "return" and ledger.thread_of(e) == thread)
        return (call, inner if inner.event == "taken" else None, end) if call and end else None

    def passed(self, index, page, cpu, number):
        """When the CPU's TLB has surely lost the entry: its pass, or a receiver that invalidated again before."""
        return self.find(index, lambda e: (e.event == "pass" and e.cpu == cpu and e.detail >= number) or
                         (e.event == "complete" and e.page == page and e.detail == 1))[0]

    def story(self, index):
        """What belongs to the SEND at `index`; None when nothing was unmapped, or the end is not in the trace."""
        send = self.events[index]
        unmap, unmapped = self.find(index - 1, lambda e: e.page == send.page, -1)
        if unmap is None or unmap.event != "unmap" or unmap.cpu != send.cpu:
            return None
        kind, _, holders = ledger.unmap_of(unmap)
        received, place = self.find(index, lambda e: e.event == "receive" and e.page == send.page)
        told, _ = self.find(unmapped, lambda e: e.event == "told" and e.cpu == send.cpu)
        if received is None or told is None:
            return None
        call, reception = self.call_around(unmapped, send.cpu), self.call_around(place, received.cpu)
        if call is None or reception is None:
            return None
        tlbs, how = {}, "at once"
        for cpu in holders:
            ticket, at = self.find(unmapped, lambda e: e.event == "ticket" and e.page == send.page and
                                   (kind == "fast" or ledger.ticket_of(e)[0] == cpu))
            end = told
            if kind != "synchronous":
                end = self.passed(at, send.page, *ledger.ticket_of(ticket)) if ticket else None
                if end is None:
                    return None
                how = "invalidated again by the receiver" if end.event == "complete" else "by passes of the CPUs"
            tlbs[cpu] = Bar(unmap, end, cpu)
        trusted = send.detail >> 1 & 1
        figure = {"synchronous": "A", "fast": "C"}.get(kind, "D" if trusted else "B")
        last = max((bar.end for bar in tlbs.values()), key=lambda e: e.order, default=told)
        return Story(figure, send.page, self.trace.space_name(send.space), self.trace.space_name(received.space),
                     Bar(call[0], call[2], send.cpu), Bar(unmap, last, send.cpu), reception[0],
                     Bar(reception[1] or reception[0], reception[2], received.cpu), tlbs, how)

    def stories(self):
        for index, event in enumerate(self.events):
            if event.event == "send" and not event.detail & 1:
                story = self.story(index)
                if story:
                    yield story


def in_order(story):
    """True when the three bars lie as the paper's figure has them."""
    send, unmap, receive = story.send, story.unmap, story.receive
    begins = send.begin.order < unmap.begin.order < send.end.order
    if story.figure == "A":
        return begins and unmap.end.order < send.end.order and unmap.end.order < receive.end.order
    if story.figure == "C":
        return begins and send.end.order < unmap.end.order < receive.end.order
    return begins and receive.end.order < unmap.end.order


def waits(story):
    """True when the receiver had its message before the unmap was complete."""
    return story.receive.begin.order < story.unmap.end.order


def choose(stories):
    """The first story of each figure that shows it as it should; of C rather one in which the receiver did wait."""
    chosen = {}
    for story in stories:
        better = story.figure not in chosen or (story.figure == "C" and waits(story) and not waits(chosen["C"]))
        if in_order(story) and better:
            chosen[story.figure] = story
    return chosen


# ---- Drawing ----

LEFT, RIGHT, TOP, LANE, BAR = 150, 30, 62, 44, 20
COLOURS = {"send": "#2b6cb0", "receive": "#2f855a", "unmap": "#c05621", "tlb": "#dd9b6c"}


class Scale:
    """Time to x: each stretch between two moments that matter gets room by its logarithm."""

    def __init__(self, moments, width):
        moments = sorted(set(moments))
        rooms = [math.log2(2 + (b - a) / 500) for a, b in zip(moments, moments[1:])]
        unit = width / sum(rooms) if rooms else 0
        self.places = {moments[0]: LEFT}
        for moment, room, before in zip(moments[1:], rooms, moments):
            self.places[moment] = self.places[before] + room * unit

    def __call__(self, moment):
        return self.places[moment]


def text(x, y, words, size=13, anchor="start", colour="#1a202c", weight="normal"):
    words = str(words).replace("&", "&amp;").replace("<", "&lt;")
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}" '
            f'font-weight="{weight}">{words}</text>')


def line(x1, y1, x2, y2, colour="#a0aec0", dash="", width=1):
    dash = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"{dash}/>'


def bar(x1, x2, y, colour, words):
    """With its name inside, or beside it where it is too short."""
    width, room = max(x2 - x1, 3), 7.5 * len(words)
    if width > room:
        label = text(x1 + width / 2, y + 14, words, 12, "middle", "#ffffff")
    elif x1 - room > LEFT:
        label = text(x1 - 4, y + 14, words, 12, "end", colour)
    else:
        label = text(x1 + width + 4, y + 14, words, 12, colour=colour)
    return f'<rect x="{x1:.1f}" y="{y:.1f}" width="{width:.1f}" height="{BAR}" rx="3" fill="{colour}"/>' + label


def draw(trace, story, width=860):
    """The story as SVG."""
    def us(event):
        return (trace.ns(event) - trace.ns(story.send.begin)) / 1000

    bars = [story.send, story.unmap, story.receive, *story.tlbs.values()]
    moments = {round(trace.ns(event)) for each in bars for event in (each.begin, each.end)}
    waited = story.waits.order < story.receive.begin.order
    scale = Scale(moments, width - LEFT - RIGHT)

    def x(event):
        return scale(round(trace.ns(event)))

    lanes = [f"{story.sender}, CPU {story.send.cpu}", "unmap()", *(f"TLB of CPU {cpu}" for cpu in sorted(story.tlbs)),
             f"{story.receiver}, CPU {story.receive.cpu}"]
    height = TOP + LANE * len(lanes) + 58
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
           f'font-family="sans-serif">', f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
           text(16, 24, f"Figure 3{story.figure}: {TITLES[story.figure]}", 15, weight="bold"),
           text(16, 44, f"page {story.page} goes from {story.sender} to {story.receiver}; unmap complete: {story.how}", 12,
                colour="#4a5568")]
    rows = {}
    for number, name in enumerate(lanes):
        y = TOP + LANE * number
        rows[name] = y + 8
        out += [text(16, y + 23, name), line(LEFT, y + LANE - 8, width - RIGHT, y + LANE - 8, "#edf2f7")]
    bottom = TOP + LANE * len(lanes)
    last = -100
    for event in sorted({e for each in bars for e in (each.begin, each.end)}, key=lambda e: e.order):
        out.append(line(x(event), TOP, x(event), bottom, "#e2e8f0", "2 3"))
        if x(event) - last > 46:
            last = x(event)
            out.append(text(last, bottom + 16, f"{us(event):.1f}" if us(event) < 1000 else f"{us(event):.0f}", 11, "middle"))
    out += [line(LEFT, bottom, width - RIGHT, bottom, "#4a5568"),
            text(width - RIGHT, bottom + 34, "us since send() began; long stretches are drawn shorter than they were", 11, "end",
                 "#4a5568")]
    receiver = rows[lanes[-1]]
    if waited:
        out.append(line(LEFT, receiver + BAR / 2, x(story.receive.begin), receiver + BAR / 2, COLOURS["receive"], "5 4", 2))
    out += [bar(x(story.send.begin), x(story.send.end), rows[lanes[0]], COLOURS["send"], "send()"),
            bar(x(story.unmap.begin), x(story.unmap.end), rows["unmap()"], COLOURS["unmap"], "unmap()")]
    for cpu, each in story.tlbs.items():
        out.append(bar(x(each.begin), x(each.end), rows[f"TLB of CPU {cpu}"], COLOURS["tlb"], "may hold it"))
    out.append(bar(x(story.receive.begin), x(story.receive.end), receiver, COLOURS["receive"], "receive()"))
    return "\n".join(out) + "\n</svg>\n"


def save(trace, folder):
    """Writes the figures that the trace shows; returns them: {"A": story, ...}."""
    chosen = choose(Reader(trace).stories())
    folder.mkdir(parents=True, exist_ok=True)
    for figure, story in chosen.items():
        (folder / f"figure-3{figure.lower()}.svg").write_text(draw(trace, story))
    return chosen


def run():
    """Boots the appliance that goes through all four cases; its trace."""
    from tools import build
    from tools.common import BUILD
    from tools.machine import Machine, command_line
    build.target("figures")
    machine = Machine(command_line(BUILD / "virt" / "figures.img", settings=["trace=on", "ledger=65536"]))
    try:
        machine.wait_ready()
        machine.expect("sender: figures: ", 60)
        return ledger.parse(machine.trace())
    finally:
        machine.kill()


def main(arguments):
    if len(arguments) != 2:
        raise Failure(__doc__.strip(), status=2)
    source, folder = arguments
    trace = run() if source == "--run" else ledger.parse(pathlib.Path(source).read_text())
    chosen = save(trace, pathlib.Path(folder))
    for figure in TITLES:
        print(f"figure 3{figure}: " + (f"page {chosen[figure].page}, {chosen[figure].how}" if figure in chosen
                                       else "the trace does not show it"))
    return 0 if len(chosen) == len(TITLES) else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Failure as failure:
        print(failure, file=sys.stderr)
        sys.exit(failure.status)
