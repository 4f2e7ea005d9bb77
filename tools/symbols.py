#!/usr/bin/env python3
"""
symbols.py OUT [--elf ELF --nm NM --base ADDRESS] [--check]: the image's own table of functions, for backtraces.

Writes the assembly file OUT with what core/symbols.h declares: from the functions of ELF, or empty without one. With
--check nothing is written: OUT must be what ELF, linked with it, would give, or functions moved and the table lies.
"""
import argparse
import collections
import pathlib
import subprocess

HEAD = """\
/* Made by tools/symbols.py. */
    .section .rodata.symbols, "a"
    .globl symbol_count, symbol_rows, symbol_words
    .balign 4
symbol_count:
    .4byte {count}
symbol_rows:
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
    # What the compiler appends to the names of parts of functions would be many a word more.
    return [(address, found[address][1].split(".")[0]) for address in sorted(found)], end


def numbered(names):
    """The words of all names, the most frequent first, so that those have numbers of one byte; and the number of each."""
    uses = collections.Counter(word for name in names for word in name.split("_"))
    words = [word for word, _ in sorted(uses.items(), key=lambda use: (-use[1], use[0]))]
    return words, {word: number for number, word in enumerate(words)}


def spelled(name, numbers):
    found = []
    for number in (numbers[word] for word in name.split("_")):
        found += [number] if number < 128 else [128 | number >> 8, number & 255]
    return found


def table(symbols, end, base):
    """core/symbols.h says what is in it."""
    inside = [(address, name) for address, name in symbols if base <= address < end]
    if inside and inside[0][0] != base:
        raise SystemExit(f"the first function is at {inside[0][0]:#x}, not at {base:#x}")
    words, numbers = numbered([name for _, name in inside])
    text = HEAD.format(count=len(inside))
    for (address, name), after in zip(inside, [address for address, _ in inside[1:]] + [end]):
        spelling = spelled(name, numbers)
        length = (after - address) // 4
        if length >> 12 or len(spelling) >> 4:
            raise SystemExit(f"{name}: {length} instructions and {len(spelling)} bytes of name are too much for a row")
        row = [len(spelling) << 4 | length >> 8, length & 255, *spelling]
        text += f"    .byte {', '.join(map(str, row))}\n"
    return text + "symbol_words:\n" + "".join(f'    .asciz "{word}"\n' for word in words)


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
