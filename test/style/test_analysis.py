"""
Static analysis of the kernel and the services; and that each analyser still sees a planted mistake.

Suppressed in cppcheck: comparePointers, because sizes of sections are differences of symbols that the linker script
defines; uninitvar, because it takes an array that is filled as far as its count for one that is not (clang-tidy and the
compiler look for the same mistake with more success).
"""
import json
import re
import shlex
import subprocess

import pytest

from building import ROOT
from naming import early, named, patient
from test_style import tracked

pytestmark = patient

FOLDERS = ("core/", "mm/", "ipc/", "drivers/", "board/", "boot/", "apps/")
KEPT = re.compile(r"-(I|D|U|std=|isystem|include|ffreestanding|nostdinc)")
MISTAKE = "int f(int n)\n{\n    int a[4] = {0};\n    int *p = 0;\n    if (n > 9)\n        return *p;\n    return a[5];\n}\n"


def sources(folders=FOLDERS):
    return sorted(path for path in tracked() if path.endswith(".c") and path.startswith(folders))


def flags_of(entry):
    """The part of a compiler's command line that an analyser needs."""
    words, flags = entry.get("arguments") or shlex.split(entry["command"]), []
    for index, word in enumerate(words):
        if KEPT.match(word):
            flags.append(word)
            if word in ("-I", "-D", "-isystem", "-include"):
                flags.append(words[index + 1])
    return flags


@pytest.fixture(scope="module")
def commands(build):
    """How the build compiles each file: {path from the root: flags}."""
    found = {}
    for board in ("virt", "rpi4"):
        tree = build.target("switch", board)
        for entry in json.loads((tree / "compile_commands.json").read_text()):
            found.setdefault(str((tree / entry["file"]).resolve().relative_to(ROOT.resolve())), flags_of(entry))
    return found


def clang_tidy(path, flags):
    done = subprocess.run(["clang-tidy", "--quiet", f"--config-file={ROOT / '.clang-tidy'}", str(path), "--",
                           "--target=aarch64-linux-gnu", "-mgeneral-regs-only", "-Wno-everything", *flags],
                          cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return done.stdout.strip()


def cppcheck(*paths):
    done = subprocess.run(["cppcheck", "-q", "--enable=warning,performance,portability", "--std=c11", "--language=c",
                           "--platform=unix64", "--inline-suppr", f"-I{ROOT}", "-D__aarch64__", "-j2",
                           "--suppress=comparePointers", "--suppress=uninitvar", "--template={file}:{line}: {id}: {message}",
                           *map(str, paths)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.stdout.strip()


@named("style-clang-tidy-{folder}")
@early
@pytest.mark.parametrize("folder", [folder.rstrip("/") for folder in FOLDERS])
def test_tidy(commands, folder):
    paths = [path for path in sources(f"{folder}/") if path in commands]
    assert paths, "the build's compile_commands.json lists nothing of it"
    complaints = "\n".join(filter(None, [clang_tidy(path, commands[path]) for path in paths]))
    assert not complaints, "\n" + complaints


@named("style-cppcheck")
def test_cppcheck():
    complaints = cppcheck(*sources())
    assert not complaints, "\n" + complaints


@named("style-analysers-see-a-mistake")
def test_mistake(tmp_path):
    (tmp_path / "mistake.c").write_text(MISTAKE)
    assert "mistake.c:6" in clang_tidy(tmp_path / "mistake.c", []), "clang-tidy missed a null pointer"
    assert "arrayIndexOutOfBounds" in cppcheck(tmp_path / "mistake.c"), "cppcheck missed an index"
