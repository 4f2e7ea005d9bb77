"""Formatting, static analysis and the project's own rules, as tests; and for each rule a text that it must refuse."""
import pathlib
import re
import subprocess

import pytest

import rules
from building import ROOT
from naming import named, patient

pytestmark = patient


def tracked():
    """Texts of all files that git keeps, or is about to: {path: text}."""
    names = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True,
                           stdout=subprocess.PIPE, text=True).stdout.split("\n")
    files = {}
    for name in filter(None, names):
        path = ROOT / name
        if path.is_file() and not path.is_symlink():
            data = path.read_bytes()
            if b"\0" not in data:
                files[name] = data.decode("utf-8", "replace")
    return files


@pytest.fixture(scope="module")
def files():
    return tracked()


def mirror_hosts():
    """Hosts that this machine's apt is set to, unless they are Debian's own."""
    text = ""
    for path in [pathlib.Path("/etc/apt/sources.list"), *pathlib.Path("/etc/apt").glob("sources.list.d/*")]:
        if path.is_file():
            text += path.read_text(errors="replace")
    hosts = set(re.findall(r"https?://(?:[^/@\s]*@)?([\w.-]+)", text))
    return {host for host in hosts if not host.endswith("debian.org")}


RULES = {
    "include-direction": rules.include_direction,
    "file-size": rules.file_size,
    "no-if-in-function": rules.no_if_in_function,
    "inline-assembly": rules.inline_assembly,
    "one-pte-writer": rules.one_pte_writer,
    "machine-paths": lambda files: rules.machine_paths(files, mirror_hosts()),
    "nothing-unfinished": rules.unfinished,
    "headers-open-with-purpose": rules.header_says_what_it_owns,
    "dead-references": rules.dead_references,
}

BROKEN = {
    "include-direction": [{"core/a.c": '#include "mm/b.h"\n', "mm/b.h": ""},
                          {"apps/x/a.c": '#include "core/abi.h"\n', "core/abi.h": ""},
                          {"mm/a.c": '#include "b.h"\n', "mm/b.h": ""},
                          {"mm/a.c": '#include "mm/gone.h"\n'}],
    "file-size": [{"core/a.c": "int a;\n" * 601}, {"baton": "pass\n" * 601}],
    "no-if-in-function": [{"mm/a.c": "int f(void)\n{\n#ifdef X\n    return 1;\n#endif\n}\n"}],
    "inline-assembly": [{"mm/a.c": 'void f(void)\n{\n    __asm__ volatile("nop");\n}\n'}],
    "one-pte-writer": [{"mm/space.c": "void f(void)\n{\n    arch_pte_store(p, 0);\n}\n"}],
    "machine-paths": [{"README.md": "see /" + "work/x\n"}, {"tools/a.py": "'/" + "root/y'\n"}],
    "nothing-unfinished": [{"mm/a.c": "/* TO" + "DO: later */\n"}],
    "headers-open-with-purpose": [{"mm/a.h": "#ifndef A\nint f(void);\n"}],
    "dead-references": [{"README.md": "[design](DESIGN.md)\n"}, {"mm/a.c": "/* see mm/" + "gone.h */\n"}],
}

FINE = {
    "include-direction": {"mm/a.c": '#include "core/b.h"\n#include <stdint.h>\n', "core/b.h": ""},
    "no-if-in-function": {"mm/a.c": "#ifdef A\nint f(void)\n{\n    return '{';\n}\n#endif\n#define X \\\n    {\n#ifdef B\n"},
    "inline-assembly": {"core/arch.h": '__asm__("nop");\n', "mm/a.c": "/* asm */\n"},
    "dead-references": {"docs/a.md": "[up](../README.md#part) [net](https://x.org)\n", "README.md": ""},
}


@named("style-{rule}")
@pytest.mark.parametrize("rule", RULES)
def test_rule(files, rule):
    complaints = RULES[rule](files)
    assert not complaints, "\n" + "\n".join(complaints)


@named("style-rules-refuse-{rule}")
@pytest.mark.parametrize("rule", RULES)
def test_rule_refuses(rule):
    for broken in BROKEN[rule]:
        assert RULES[rule](broken), f"accepted {broken}"
    assert not RULES[rule](FINE.get(rule, {})), f"refused {FINE[rule]}"


def lines_wrong(done):
    return "\n".join(line for line in (done.stdout + done.stderr).split("\n") if re.search(r"error|warning", line))


@named("style-format")
def test_format(files, tmp_path):
    sources = [path for path in files if path.endswith((".c", ".h"))]
    done = subprocess.run(["clang-format", "--dry-run", "-Werror", *sources], cwd=ROOT, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, "clang-format -i would change:\n" + lines_wrong(done)[:6000]
    (tmp_path / ".clang-format").write_text(files[".clang-format"])
    (tmp_path / "ugly.c").write_text("int   f( void ){return 1 ;}\n")
    ugly = subprocess.run(["clang-format", "--dry-run", "-Werror", "ugly.c"], cwd=tmp_path, stderr=subprocess.DEVNULL)
    assert ugly.returncode != 0, "clang-format accepts anything"
