"""Programs of tools/native, in C for this machine: compiled when they are first needed, and again when a source has changed."""
import hashlib
import os

from tools.common import BUILD, ROOT, locked, run

FLAGS = [f"-I{ROOT}", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"]
GENERATOR = ["generator", "flow", "port", "frames", "host"]


def compiled(name, parts, *flags, suffix=""):
    """The path of a program made of parts in tools/native, a new one for each state of the sources."""
    folder = ROOT / "tools" / "native"
    sources = [folder / f"{part}.c" for part in parts]
    texts = b"".join(file.read_bytes() for file in [*sources, *sorted(folder.glob("*.h"))])
    key = hashlib.sha256(texts + repr([*FLAGS, *flags]).encode()).hexdigest()[:12]
    target = BUILD / "tools" / f"{name}-{key}{suffix}"
    if not target.exists():
        with locked("tools"):
            target.parent.mkdir(parents=True, exist_ok=True)
            fresh = target.with_suffix(f".{os.getpid()}")
            run("gcc", *FLAGS, *flags, "-o", fresh, *sources, "-lpthread", quiet=True)
            fresh.rename(target)
    return target


def generator():
    """The traffic generator: sends frames into a machine's NICs, and checks every byte that comes out."""
    return compiled("generator", GENERATOR)


def insn_plugin():
    """The counter of a guest's instructions: a plugin for QEMU."""
    return compiled("insn", ["insn"], "-shared", "-fPIC", suffix=".so")
