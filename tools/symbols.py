#!/usr/bin/env python3
"""
symbols.py OUT [--elf ELF --nm NM --base ADDRESS] [--check]: the image's own table of functions, for backtraces.

Writes the assembly file OUT with what core/symbols.h declares: from the functions of ELF, or empty without one. With
--check nothing is written: OUT must be what ELF, linked with it, would give, or functions moved and the table lies.
"""
import argparse
import pathlib
import subprocess

HEAD = """\
/* Made by tools/symbols.py. */
    .section .rodata.symbols, "a"
    .globl symbol_count, symbol_table, symbol_names
    .balign 4
symbol_count:
    .4byte {count}
symbol_table:
"""


def functions(nm, elf):
    """Sorted (address, name) of the code's symbols, one an address, and the end of the last function."""
    listing = subprocess.run([nm, "--defined-only", "--format=posix", elf], check=True, capture_output=True, text=True)
    found, end = {}, 0
    for line in listing.stdout.splitlines():
        name, kind, value, size = (line.split() + ["0"])[:4]
        if kind not in "tT" or name.startswith(("$", ".")):
            continue
        address, size = int(value, 16), int(size or "0", 16)
        end = max(end, address + size)
        # A function has a size; a label at the same place, such as the linker's own, does not.
        found[address] = max(found.get(address, (-1, "")), (size, name))
    return [(address, found[address][1]) for address in sorted(found)], end


def table(symbols, end, base):
    rows, names = [], [""]
    place = 1
    for address, name in symbols:
        if 0 <= address - base < 1 << 32 and address < end:
            rows.append((address - base, place))
            names.append(name)
            place += len(name) + 1
    if rows:
        rows.append((end - base, 0))
    text = HEAD.format(count=len(rows)) + "".join(f"    .4byte {offset:#x}, {name}\n" for offset, name in rows)
    return text + "symbol_names:\n" + "".join(f"    .asciz \"{name}\"\n" for name in names)


def main():
    parser = argparse.ArgumentParser(description="Makes the image's table of functions.")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--elf")
    parser.add_argument("--nm", default="nm")
    parser.add_argument("--base", type=lambda text: int(text, 16), default=0)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    text = table(*functions(options.nm, options.elf), options.base) if options.elf else table([], 0, 0)
    if not options.check:
        options.out.write_text(text)
    elif options.out.read_text() != text:
        raise SystemExit(f"{options.elf}: functions moved when the table of their names was linked in")


if __name__ == "__main__":
    main()
