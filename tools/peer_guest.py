"""
Guests that Baton is measured against, made of Debian's packages for arm64: a kernel, and an initramfs with the few programs
that are needed. They are made when they are first asked for, under build/cache/peers, and again when a package has another
version or what is said here has changed. Nothing is installed on this machine.
"""
import hashlib
import lzma
import os
import pathlib
import re
import shutil

from tools import apt, cpio, setup
from tools.common import CACHE, Failure, answer, locked, run, say

ARCHITECTURE = "arm64"
FOLDER = CACHE / "peers"
SCRIPTS = pathlib.Path(__file__).resolve().parent / "guest"
LIBRARIES = ("usr/lib/aarch64-linux-gnu", "lib/aarch64-linux-gnu", "usr/lib", "lib")
COMMANDS = ("sh", "mount", "insmod", "sleep", "cat", "echo", "stty", "uname", "mkdir",
            "mkfifo", "chmod", "sync", "poweroff")


class Recipe:
    """
    What is in a guest: `packages` by name, with all that they depend on, or a function of an Apt that names them; `alone`,
    packages of which that is not wanted; `programs` (paths in them, whose libraries come along), `plugins` (patterns of
    further libraries), `modules` of the kernel (those that they need come along), and the script that is its first process.
    """

    def __init__(self, name, packages, programs, modules, plugins=(), alone=()):
        self.name, self.packages, self.programs, self.alone = name, packages, programs, alone
        self.modules, self.plugins = modules, plugins
        self.script = SCRIPTS / f"{name}.sh"

    def key(self):
        """Another one when anything has changed that is said in this project."""
        parts = [self.script, *(pathlib.Path(__file__).with_name(name) for name in ("peer_guest.py", "peer_recipes.py", "cpio.py"))]
        return hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()


class Files:
    """Where a guest lies when it has been made, and of what: the recipe's key, then packages and versions."""

    def __init__(self, name):
        self.folder = FOLDER / name
        self.kernel, self.initramfs = self.folder / "kernel", self.folder / "initramfs"
        self.stamp = self.folder / "versions"

    @staticmethod
    def text(key, versions):
        return "\n".join([key, *(f"{name} {version}" for name, version in sorted(versions.items()))]) + "\n"

    def made_by(self, key):
        return self.stamp.exists() and self.stamp.read_text().startswith(key + "\n")


def ensure(recipe):
    """Makes a guest unless it is there; returns its Files. Raises Failure when it cannot be made."""
    with locked("peers"):
        files, key = Files(recipe.name), recipe.key()
        # Packages have not changed when apt's lists have not, since.
        if files.made_by(key) and files.stamp.stat().st_mtime > apt.lists_changed(ARCHITECTURE):
            return files
        codename = setup.release()
        if not codename or not shutil.which("apt-get"):
            raise Failure("this is no Debian, of whose packages it would be made")
        FOLDER.mkdir(parents=True, exist_ok=True)
        try:
            renew(recipe, apt.Apt.private(codename, architecture=ARCHITECTURE), files, key)
        except Failure as failure:
            if not files.made_by(key):
                raise
            say(f"{failure}; the guest {recipe.name} is used as it was made before")
        return files


def renew(recipe, tool, files, key):
    """Makes it of the packages as they are today, or leaves it when it is made of them."""
    tool.ready()
    try:
        make(recipe, tool, files, key)
    except Missing:
        tool.update()
        make(recipe, tool, files, key)


class Missing(Failure):
    """A package is not to be had, or not as the lists say: they may be out of date."""


def choose(recipe, tool):
    """{package: version} of all that the guest is made of."""
    kernel = tool.kernel_image()
    if not kernel:
        raise Missing("apt knows no linux-image-arm64")
    try:
        versions = tool.closure(recipe.packages(tool) if callable(recipe.packages) else recipe.packages)
    except Failure as failure:
        raise Missing(str(failure)) from None
    for name in [kernel, *recipe.alone]:
        found = tool.versions(name)
        if not found:
            raise Missing(f"apt knows no {name}")
        versions[name] = found[0]
    return versions


def make(recipe, tool, files, key):
    versions = choose(recipe, tool)
    text = files.text(key, versions)
    if files.made_by(key) and files.stamp.read_text() == text:
        files.stamp.touch()
        return
    work = FOLDER / f"{recipe.name}.{os.getpid()}"
    shutil.rmtree(work, ignore_errors=True)
    try:
        tree = unpack(recipe, tool, versions, work)
        made = work / "made"
        made.mkdir()
        say(f"making the guest {recipe.name} of them")
        build_initramfs(recipe, tree, made / "initramfs")
        next(tree.glob("boot/vmlinu[xz]-*")).rename(made / "kernel")
        (made / "versions").write_text(text)
        shutil.rmtree(files.folder, ignore_errors=True)
        made.rename(files.folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def unpack(recipe, tool, versions, work):
    """Fetches the packages and unpacks them all to one folder, which is returned."""
    place, tree = work / "packages", work / "tree"
    place.mkdir(parents=True)
    say(f"fetching {len(versions)} packages of arm64 to build/cache for the guest {recipe.name}, a kernel of 60 MB or more among them")
    try:
        tool.fetch([f"{name}={version}" for name, version in versions.items()], place)
    except Failure as failure:
        raise Missing(str(failure)) from None
    for package in sorted(place.glob("*.deb")):
        run("dpkg-deb", "-x", package, tree, what=f"unpacking {package.name}", quiet=True)
        package.unlink()
    return tree


# ---- What programs and modules need ----

def find_library(tree, name):
    for folder in LIBRARIES:
        path = tree / folder / name
        if path.exists():
            return path
    raise Failure(f"no package has the library {name}")


def with_libraries(tree, paths):
    """Those ELF files and all shared libraries that they need."""
    found, open_ends = {}, list(paths)
    while open_ends:
        path = open_ends.pop()
        if path.name in found:
            continue
        found[path.name] = path
        text = answer("aarch64-linux-gnu-readelf", "-dl", path) or ""
        names = re.findall(r"\(NEEDED\).*\[(.*)\]", text) + \
            [pathlib.Path(name).name for name in re.findall(r"interpreter: (.*)\]", text)]
        open_ends += [find_library(tree, name) for name in names]
    return list(found.values())


def module_name(path):
    """As the modules call each other; files have hyphens in their names too."""
    return path.name.split(".")[0].replace("-", "_")


def module_bytes(path):
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def in_order(tree, names):
    """
    [(name, content)] of kernel modules and of those that they need, in an order in which they can be loaded; without those
    that are part of the kernel.
    """
    place = next(path for pattern in ("lib/modules/*", "usr/lib/modules/*") for path in tree.glob(pattern))
    found = {module_name(path): path for path in place.glob("kernel/**/*.ko*")}
    builtin = {module_name(pathlib.Path(line)) for line in (place / "modules.builtin").read_text().split()}
    ordered = {}

    def add(name):
        if name in ordered or name in builtin:
            return
        if name not in found:
            raise Failure(f"the kernel's package has no module {name}")
        content = module_bytes(found[name])
        needs = re.search(rb"\0depends=([^\0]*)\0", content)
        for other in filter(None, needs.group(1).decode().split(",") if needs else []):
            add(other.replace("-", "_"))
        ordered[name] = content
    for name in names:
        add(name)
    return list(ordered.items())


# ---- The initramfs ----

def build_initramfs(recipe, tree, target):
    archive = cpio.Archive()
    for name in ("proc", "sys", "dev", "tmp", "run"):
        archive.folder(name)
    archive.device("dev/console", 5, 1)
    archive.device("dev/null", 1, 3)
    archive.file("init", recipe.script.read_bytes())
    archive.file("bin/busybox", pick(tree, "bin/busybox", "usr/bin/busybox").read_bytes())
    for command in COMMANDS:
        archive.link(f"bin/{command}", "busybox")
    for number, (name, content) in enumerate(in_order(tree, recipe.modules)):
        archive.file(f"modules/{number:02}-{name}.ko", content, 0o644)
    plugins = [pick(tree, pattern) for pattern in recipe.plugins]
    programs = [pick(tree, *program) for program in recipe.programs]
    for path in with_libraries(tree, [*programs, *plugins]):
        place = f"bin/{path.name}" if path in programs else \
            str(path.relative_to(tree)) if path in plugins else f"lib/{path.name}"
        archive.file(place, path.read_bytes())
    target.write_bytes(archive.bytes())


def pick(tree, *patterns):
    """The file that one of the patterns finds; suites of Debian have it in different places."""
    for path in (path for pattern in patterns for path in sorted(tree.glob(pattern))):
        return path
    raise Failure(f"no package has {patterns[0]}")
