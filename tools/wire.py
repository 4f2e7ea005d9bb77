"""
The wire of one NIC, over a stream socket as QEMU's `-netdev stream` has it: each frame behind its length, 4 bytes
big-endian. Nothing here waits: what cannot be sent at once is kept, and whoever has the wire selects on it.
"""
import socket

FULL = 256 << 10   # bytes under way after which no more should be put
READ = 256 << 10


class Wire:
    def __init__(self, end):
        end.setblocking(False)
        self.socket, self.out, self.rest = end, bytearray(), b""

    @classmethod
    def pair(cls):
        """A wire, and the socket that QEMU gets for its end of it."""
        ours, theirs = socket.socketpair()
        return cls(ours), theirs

    def fileno(self):
        return self.socket.fileno()

    def full(self):
        return len(self.out) >= FULL

    def put(self, frame):
        self.out += len(frame).to_bytes(4, "big") + frame

    def send(self):
        """Sends as much as the other end takes now."""
        try:
            while self.out:
                del self.out[:self.socket.send(self.out)]
        except BlockingIOError:
            pass

    def receive(self):
        """The frames that have come; None when the other end is closed."""
        try:
            data = self.socket.recv(READ)
        except BlockingIOError:
            return []
        if not data:
            return None
        data, place, frames = self.rest + data, 0, []
        while place + 4 <= len(data):
            end = place + 4 + int.from_bytes(data[place:place + 4], "big")
            if end > len(data):
                break
            frames.append(data[place + 4:end])
            place = end
        self.rest = data[place:]
        return frames

    def close(self):
        self.socket.close()
