"""
A wire that mistreats one frame in the middle of the traffic: it shows that no figure comes of such a run
(./baton bench forward --spoil).
"""
import select
import socket
import threading

from tools.wire import Wire

KINDS = ["lost", "doubled", "damaged"]
VICTIM = 700   # the frame out of the guest's second NIC that is mistreated: behind greetings and probes


def altered(frame, kind):
    return {"lost": [], "doubled": [frame, frame], "damaged": [frame[:-1] + bytes([frame[-1] ^ 1])]}[kind]


def carry(near, far, kind):
    """Both ways, until one end is closed."""
    count = 0
    while True:
        readable, _, _ = select.select([near, far], [wire for wire in (near, far) if wire.out], [])
        for source, target in ((near, far), (far, near)):
            frames = source.receive() if source in readable else []
            if frames is None:
                return
            for frame in frames:
                count += source is far
                for out in altered(frame, kind) if source is far and count == VICTIM else [frame]:
                    target.put(out)
        near.send()
        far.send()


def work(near, far, kind):
    try:
        carry(near, far, kind)
    except OSError:
        pass  # a machine or a generator that ends while frames are under way
    finally:
        near.close()
        far.close()


def spoilt(ends, kind):
    """The sockets to use instead of these two: what comes out of the second one is mistreated."""
    ours, theirs = socket.socketpair()
    threading.Thread(target=work, args=(Wire(theirs), Wire(ends[1]), kind), daemon=True).start()
    return [ends[0], ours]
