#!/usr/bin/env python3
"""
programs.py FOLDER NAME=ELF...: lays services into an image.

Each service was linked by itself with apps/service.ld: one segment of text, one of read-only data, one of data and bss,
one for thread-local storage. Writes programs.S, which takes the segments' bytes straight from the ELF files, and
programs.c, the table `programs` (ipc/service.h) that says where they lie and where they belong.
"""
import pathlib
import struct
import sys

PAGE = 4096
LOAD, TLS = 1, 7
EXECUTE, WRITE = 1, 2
TCB = 16  # bytes that the thread pointer points at, before the thread's variables

ROW = """\
    {{
        .name = "{name}",
        .base = {base:#x},
        .text = program_{label}_text,
        .rodata = program_{label}_rodata,
        .data = program_{label}_data,
        .text_size = {text_size:#x},
        .rodata_size = {rodata_size:#x},
        .data_size = {data_size:#x},
        .bss_size = {bss_size:#x},
        .rodata_base = {rodata_base:#x},
        .data_base = {data_base:#x},
        .tls_size = {tls_size:#x},
        .entry = {entry:#x},
    }},
"""

BLOB = """\
    .globl program_{label}_{part}
program_{label}_{part}:
{bytes}    .balign {page}
"""


def up(value, step):
    return (value + step - 1) // step * step


class Segment:
    def __init__(self, kind=LOAD, flags=0, offset=0, vaddr=0, paddr=0, filesz=0, memsz=0, align=1):
        self.kind, self.flags, self.offset, self.address = kind, flags, offset, vaddr
        self.file_size, self.size, self.align = filesz, memsz, align


def segments_of(path):
    """Entry address and program headers of a little-endian 64-bit ELF file."""
    data = path.read_bytes()
    if data[:6] != b"\x7fELF\x02\x01":
        raise SystemExit(f"{path}: not a 64-bit little-endian ELF file")
    entry, table = struct.unpack_from("<QQ", data, 24)
    size, count = struct.unpack_from("<HH", data, 54)
    return entry, [Segment(*struct.unpack_from("<IIQQQQQQ", data, table + i * size)) for i in range(count)]


def one(path, what, found, needed=True):
    if len(found) > 1 or (needed and not found):
        raise SystemExit(f"{path}: {len(found)} segments of {what}; apps/service.ld makes one")
    return found[0] if found else Segment()


def bytes_of(path, segment):
    """The assembly line for a segment's bytes; the assembler takes a size of 0 for "all the rest"."""
    return f'    .incbin "{path}", {segment.offset:#x}, {segment.file_size:#x}\n' if segment.file_size else ""


def describe(name, path):
    """One service: its row of the table and the blobs that the row points at."""
    entry, segments = segments_of(path)
    loads = [s for s in segments if s.kind == LOAD and s.size]
    text = one(path, "text", [s for s in loads if s.flags & EXECUTE])
    rodata = one(path, "read-only data", [s for s in loads if not s.flags & (EXECUTE | WRITE)])
    data = one(path, "data", [s for s in loads if s.flags & WRITE], needed=False)
    tls = one(path, "thread-local storage", [s for s in segments if s.kind == TLS and s.size], needed=False)
    for segment in (text, rodata, data):
        if segment.address % PAGE:
            raise SystemExit(f"{path}: a segment at {segment.address:#x} does not begin a page")
    if text.flags & WRITE:
        raise SystemExit(f"{path}: text that can be written")
    if tls.align > TCB:
        raise SystemExit(f"{path}: thread-local data aligned to {tls.align} bytes; at most {TCB} is supported")
    row = dict(name=name, label=name.replace("-", "_"), base=text.address, entry=entry,
               text_size=up(text.size, PAGE), rodata_size=up(rodata.size, PAGE), rodata_base=rodata.address,
               data_size=data.file_size, bss_size=data.size - data.file_size,
               data_base=data.address or rodata.address + up(rodata.size, PAGE), tls_size=TCB + tls.size)
    blobs = "".join(BLOB.format(label=row["label"], part=part, page=PAGE, bytes=bytes_of(path, segment))
                    for part, segment in (("text", text), ("rodata", rodata), ("data", data)))
    return row, blobs


def main(folder, *pairs):
    described = [describe(name, pathlib.Path(path)) for name, path in (pair.split("=", 1) for pair in pairs)]
    head = "Made by tools/programs.py."
    (folder / "programs.S").write_text(
        f"/* {head} */\n    .section .rodata.programs, \"a\"\n    .balign {PAGE}\n" + "".join(blobs for _, blobs in described))
    labels = "".join(f"extern const char program_{row['label']}_{part}[];\n"
                     for row, _ in described for part in ("text", "rodata", "data"))
    (folder / "programs.c").write_text(
        f"/* {head} */\n#include \"ipc/service.h\"\n\n{labels}\nconst struct program programs[] = {{\n"
        + "".join(ROW.format(**row) for row, _ in described)
        + f"}};\nconst unsigned program_count = {len(described)};\n")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), *sys.argv[2:])
