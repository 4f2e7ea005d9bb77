"""An appliance's image as it boots: its symbols, what lies at them, and whether two images have the same code."""
import struct
import subprocess

BASE = 0xffffffc000000000     # core/layout.h, IMAGE_BASE
SERVICE, WIRE = 64, 16        # sizes of struct baton_service and struct baton_wire; their words are these:
SERVICE_WORDS = "<QQIIBBHIIBBHIIQQ"
SERVICE_NAMES = (0, 1, 14, 15)  # places of pointers to text: name, program, trust, lanes


class Layout:
    def __init__(self, image):
        self.bytes = image.read_bytes()
        listing = subprocess.run(["aarch64-linux-gnu-nm", image.with_suffix(".elf")], stdout=subprocess.PIPE, text=True, check=True)
        rows = [line.split() for line in listing.stdout.splitlines()]
        self.symbols = {row[2]: int(row[0], 16) for row in rows if len(row) == 3}
        self.functions = {(name, address) for name, address in self.symbols.items() if BASE <= address < self.symbols["text_end"]}

    def at(self, address, size):
        return self.bytes[address - BASE:address - BASE + size]

    def text(self, address):
        return self.bytes[address - BASE:].split(b"\0", 1)[0].decode() if address else None

    def kernel(self):
        """The words of the kernel's text."""
        size = self.symbols["text_end"] - BASE
        return struct.unpack(f"<{size // 4}I", self.bytes[:size])

    def program(self, index):
        """A row of `programs` (ipc/service.h): its name, its numbers, and the bytes of its text, read-only data and data."""
        name, base, *starts, text, rodata, data, bss, rodata_base, data_base, tls, entry = struct.unpack(
            "<13Q", self.at(self.symbols["programs"] + 104 * index, 104))
        parts = [self.at(start, size) for start, size in zip(starts, (text, rodata, data))]
        return self.text(name), (base, bss, rodata_base, data_base, tls, entry), parts

    def appliance(self):
        """Its services and its wires, as in the table that the kernel reads."""
        _, services, service_count, wires, wire_count = struct.unpack("<QQQQQ", self.at(self.symbols["appliance"], 40))
        rows = []
        for i in range(service_count & 0xffffffff):
            words = list(struct.unpack(SERVICE_WORDS, self.at(services + i * SERVICE, SERVICE)))
            rows.append([self.text(word) if place in SERVICE_NAMES else word for place, word in enumerate(words)])
        pairs = [struct.unpack("<QQ", self.at(wires + i * WIRE, WIRE)) for i in range(wire_count & 0xffffffff)]
        return rows, [(self.text(first), self.text(second)) for first, second in pairs]


def differences(one, other):
    """
    Words of two kernels' texts that are not the same instruction. Data lies elsewhere in the two, behind the programs; so what may
    differ is where an instruction finds it: the distance in ADR and ADRP, the low bits of the address in the ADD or the access behind
    an ADRP to the same register, and the few offsets that the image's head and its entry keep as data, which are no instructions.
    """
    found, paged = [], {}
    for place, (first, second) in enumerate(zip(one, other)):
        either = first ^ second
        if first & 0x1f000000 == 0x10000000:  # ADR, ADRP
            paged[first & 31] = place
            either &= 0x9f00001f
        elif place - paged.get(first >> 5 & 31, -99) < 32 and first & 0x3b000000 in (0x39000000, 0x11000000):
            either &= 0xffc003ff
        elif max(first, second) < 0x200000:  # UDF as an instruction: never executed
            either = 0
        if either:
            found.append(f"{4 * place:x}: {first:08x} {second:08x}")
    return found
