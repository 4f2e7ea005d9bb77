"""
Rules of style that no compiler checks. Each takes {path: text} of the tracked files and returns its complaints, as
"path:line: what is wrong"; so each can also be given a text that breaks it (see test_style.py).
"""
import pathlib
import re

FLOORS = ["core", "mm", "ipc", "drivers", "board", "boot"]  # from the ground up: include only what is below or beside
KERNEL = tuple(f"{floor}/" for floor in FLOORS)
CODE = (".c", ".h", ".S")
LINES = 600
GENERATED = ("build_id.h",)  # by the build, found on its include path
# What the reader is told to write: in README.md (test/qemu/test_readme.py does it) and docs/walkthrough.md.
EXAMPLES = ("apps/mirror/", "apps/watch/")


def code_only(text):
    """The text of a C file with comments and the contents of strings blanked, line by line."""
    def blank(match):
        word = match.group(0)
        if word.startswith(("'", '"')):
            return word[0] + " " * (len(word) - 2) + word[-1]
        return re.sub(r"[^\n]", " ", word)
    return re.sub(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", blank, text, flags=re.DOTALL)


def lines_of(files, suffixes, folders=None):
    """(path, number, line of code, line as written) of all files that end and begin so."""
    for path, text in sorted(files.items()):
        if path.endswith(suffixes) and (folders is None or path.startswith(folders)):
            for number, (code, raw) in enumerate(zip(code_only(text).split("\n"), text.split("\n")), 1):
                yield path, number, code, raw


def include_allowed(path, target):
    folder, below = path.split("/")[0], target.split("/")[0]
    if folder in FLOORS:
        return below in FLOORS and FLOORS.index(below) <= FLOORS.index(folder)
    if folder == "apps" or path.startswith("test/qemu/apps/"):
        if target == "core/abi.h":
            return path == "apps/baton.h"
        return below == "apps" or target.startswith("test/qemu/apps/")
    return True


def include_direction(files):
    complaints = []
    for path, number, code, raw in lines_of(files, CODE):
        match = re.match(r'\s*#\s*include\s*"([^"]+)"', raw)
        if not match or not code.strip():
            continue
        target = match.group(1)
        if target in GENERATED:
            continue
        if "/" not in target or target.startswith(".") or "/../" in target:
            complaints.append(f'{path}:{number}: "{target}" is not written from the root')
        elif not include_allowed(path, target):
            complaints.append(f'{path}:{number}: must not include "{target}": floors are {" < ".join(FLOORS)}, '
                              "and apps see apps/baton.h only")
        elif target not in files:
            complaints.append(f'{path}:{number}: "{target}" is not there')
    return complaints


def file_size(files):
    return [f"{path}:{LINES}: {len(text.splitlines())} lines, at most {LINES} are allowed"
            for path, text in sorted(files.items())
            if path.endswith(CODE + (".py", ".cmake", ".txt", ".ld")) or "." not in path.split("/")[-1]
            if len(text.splitlines()) > LINES]


def no_if_in_function(files):
    complaints, depth, last = [], 0, None
    for path, number, code, raw in lines_of(files, (".c", ".h")):
        if path != last:
            depth, last, continued = 0, path, False
        if continued or code.lstrip().startswith("#"):
            if not continued and depth > 0 and re.match(r"\s*#\s*(if|elif|else)", code):
                complaints.append(f"{path}:{number}: #if inside a function")
            continued = raw.endswith("\\")
            continue
        depth += code.count("{") - code.count("}")
    return complaints


def inline_assembly(files):
    return [f"{path}:{number}: inline assembly; it belongs into core/arch.h"
            for path, number, code, _ in lines_of(files, (".c", ".h"), KERNEL + ("apps/",))
            if path != "core/arch.h" and re.search(r"\b(__asm__|__asm|asm)\b", code)]


def one_pte_writer(files):
    """Page table entries are stored by one function, arch_pte_store(), and it is called in one file."""
    return [f"{path}:{number}: only mm/pagetable.c writes page table entries"
            for path, number, code, _ in lines_of(files, (".c", ".h"), KERNEL)
            if path not in ("mm/pagetable.c", "core/arch.h") and re.search(r"\barch_pte_(store|write)\b", code)]


def machine_paths(files, hosts=()):
    """No file names this machine's folders or the package mirror that it happens to use."""
    folders = ["/" + name + "/" for name in ("work", "root", "home")]
    complaints = []
    for path, text in sorted(files.items()):
        for number, line in enumerate(text.split("\n"), 1):
            for word in [*folders, *hosts]:
                if re.search(r"(?<![\w.$}*<>-])" + re.escape(word) if word.startswith("/") else re.escape(word), line):
                    complaints.append(f"{path}:{number}: names {word}, which is this machine's own")
    return complaints


def unfinished(files):
    words = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" + "XX")) + r")\b")
    return [f"{path}:{number}: {words.search(line).group(0)}"
            for path, text in sorted(files.items())
            for number, line in enumerate(text.split("\n"), 1) if words.search(line)]


def header_says_what_it_owns(files):
    """Every header of the kernel opens with a comment of some substance."""
    complaints = []
    for path, text in sorted(files.items()):
        if path.endswith(".h") and path.startswith(KERNEL + ("apps/baton.h",)):
            match = re.match(r"\s*/\*(.*?)\*/", text, re.DOTALL)
            if not match or len(match.group(1).split()) < 12:
                complaints.append(f"{path}:1: does not begin by saying what it is for and what it owns")
    return complaints


def dead_references(files):
    """Links in the documents, and files that any text or comment names, are there."""
    folders = {str(parent) for path in files for parent in pathlib.PurePosixPath(path).parents}
    tops = "|".join([*FLOORS, "apps", "test", "docs", "cmake", "tools"])
    named_file = re.compile(rf"(?<![\w./-])((?:{tops})/[\w./-]*\w\.(?:c|h|S|md|py|ld|cmake|txt))\b")
    complaints = []
    for path, text in sorted(files.items()):
        if path.startswith("test/style/"):
            continue  # its examples of what is wrong
        base = pathlib.PurePosixPath(path).parent
        for number, line in enumerate(text.split("\n"), 1):
            targets = []
            if path.endswith(".md"):
                links = re.findall(r"\]\(([^)\s#]+)(?:#[^)]*)?\)", line)
                targets += [link for link in links if not re.match(r"[a-z]+:", link)]
            for target in targets:
                parts = []
                for part in (base / target).parts:
                    parts = parts[:-1] if part == ".." else [*parts, part]
                whole = "/".join(parts)
                if whole not in files and whole not in folders:
                    complaints.append(f"{path}:{number}: links to {target}, which is not there")
            for target in named_file.findall(line):
                if not target.startswith(EXAMPLES) and target not in files and str(base / target) not in files:
                    complaints.append(f"{path}:{number}: names {target}, which is not there")
    return complaints
