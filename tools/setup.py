"""
Finds out what is missing on this machine and installs it: Debian 12 and 13, by apt and nothing else.

Nothing is installed without saying what and why. Without the rights to install, the one command is printed that an
administrator would run. The system's own package sources are never changed: where another suite or architecture is
needed (QEMU on Debian 12, libfdt for arm64), apt is run with sources of its own under build/cache (apt.py).
"""
import os
import pathlib
import re
import shlex
import shutil
import sys

from tools import apt, newlib
from tools.common import CACHE, ROOT, Failure, answer, run, say

# Debian's codename -> exact versions of what decides how images come out.
PINS = {
    "bookworm": {"gcc-aarch64-linux-gnu": "4:12.2.0-3", "picolibc-aarch64-linux-gnu": "1.8-1",
                 "libfdt-dev": "1.6.1-4+b1", "newlib-source": "3.3.0-1.3+deb12u1", "clang": "1:14.0-55.7~deb12u1",
                 "lld": "1:14.0-55.7~deb12u1", "llvm": "1:14.0-55.7~deb12u1"},
    "trixie": {"gcc-aarch64-linux-gnu": "4:14.2.0-1", "picolibc-aarch64-linux-gnu": "1.8.10-2",
               "libfdt-dev": "1.7.2-2+b1", "newlib-source": "4.5.0.20241231-1", "clang": "1:19.0-63", "lld": "1:19.0-63",
               "llvm": "1:19.0-63"},
}
QEMU_AT_LEAST = (8, 1)   # older ones lack netdevs and machines that Baton is run with
CMAKE_AT_LEAST = (3, 25)


def version_of(*command):
    """The first version number that a command prints, as a tuple; None when it is not there."""
    found = re.search(r"(\d+)\.(\d+)", answer(*command) or "")
    return tuple(map(int, found.groups())) if found else None


def has(*commands):
    return lambda: all(shutil.which(command) for command in commands)


def at_least(least, *command):
    return lambda: (version_of(*command) or (0, 0)) >= least


def has_package(name):
    return lambda: (answer("dpkg-query", "-W", "-f", "${db:Status-Status}", name) or "") == "installed"


def has_picolibc():
    return pathlib.Path("/usr/lib/picolibc/aarch64-linux-gnu/lib/libc.a").exists()  # cmake/libc.cmake


def none_elf():
    """The folder of the Arm GNU toolchain's compiler, where cmake/aarch64-none-elf.cmake finds it; None without one."""
    folder, name = os.environ.get("AARCH64_NONE_ELF"), "aarch64-none-elf-gcc"
    found = shutil.which(name, path=f"{folder}/bin:{folder}" if folder else None)
    return os.path.dirname(os.path.abspath(found)) if found else None


class Need:
    """A package, why it is needed, and how to see that it is there (however it came there)."""

    def __init__(self, package, why, there):
        self.package, self.why, self.there = package, why, there


BUILDING = [
    Need("cmake", "configures the build", at_least(CMAKE_AT_LEAST, "cmake", "--version")),
    Need("ninja-build", "runs the build", has("ninja")),
    Need("gcc-aarch64-linux-gnu", "compiles for ARM64", has("aarch64-linux-gnu-gcc", "aarch64-linux-gnu-objcopy")),
    Need("picolibc-aarch64-linux-gnu", "C library of the services", has_picolibc),
    Need("git", "tells the build's id", has("git")),
]
QEMU = Need("qemu-system-arm", f"the machine that images run on ({'.'.join(map(str, QEMU_AT_LEAST))} or newer)",
            at_least(QEMU_AT_LEAST, "qemu-system-aarch64", "--version"))
TRAFFIC = [
    Need("iproute2", "sets up the hosts on both sides", has("ip")),
    Need("iputils-ping", "traffic: ping", has("ping")),
    Need("iputils-tracepath", "traffic: path MTU", has("tracepath")),
    Need("traceroute", "traffic: the way", has("traceroute")),
    Need("iperf3", "traffic: TCP and UDP", has("iperf3")),
    Need("curl", "traffic: a file", has("curl")),
]
FOR_TOOLCHAIN = {
    "clang": [
        Need("clang", "compiles for ARM64", has("clang")),
        Need("lld", "links for ARM64", has("ld.lld")),
        Need("llvm", "llvm-objcopy and its like", has("llvm-objcopy", "llvm-nm", "llvm-ar")),
    ],
}
HOST_COMPILER = [
    Need("gcc", "compiles what runs here", has("gcc")),
    Need("libc6-dev", "headers for what runs here", lambda: pathlib.Path("/usr/include/stdio.h").exists()),
]
FOR_LIBC = {
    "newlib": [
        Need("make", "builds newlib", has("make")),
        *HOST_COMPILER,
    ],
}
PLOTTING = [Need("python3-matplotlib", "draws what was measured (--plot)", has_package("python3-matplotlib"))]
DEBUGGER = Need("gdb-multiarch", "the debugger", has("gdb-multiarch"))
TESTING = [
    Need("python3-pytest", "runs the tests", has_package("python3-pytest")),
    Need("python3-pytest-xdist", "several tests at a time", has_package("python3-pytest-xdist")),
    Need("python3-pytest-timeout", "ends a test that hangs", has_package("python3-pytest-timeout")),
    Need("python3-scapy", "makes frames", has_package("python3-scapy")),
    *HOST_COMPILER,
    Need("libcmocka-dev", "units of the kernel, run here", lambda: pathlib.Path("/usr/include/cmocka.h").exists()),
]


def listed_for_tests():
    """Further packages, one a line, that the tests name themselves in test/packages.txt."""
    known = {need.package for need in [*BUILDING, QEMU, *TRAFFIC, *TESTING]}
    file = ROOT / "test" / "packages.txt"
    lines = file.read_text().splitlines() if file.exists() else []
    names = [line.split("#")[0].strip() for line in lines]
    return [Need(name, "used by a test", has_package(name)) for name in names if name and name not in known]


def needs_of(command, toolchain, libc):
    if command == "list":
        return TESTING[:3]
    if command == "plot":
        return PLOTTING
    building = [*BUILDING, *FOR_TOOLCHAIN.get(toolchain, []), *FOR_LIBC.get(libc, [])]
    return {
        "build": lambda: building,
        "config": lambda: [*building, *HOST_COMPILER],
        "boot": lambda: [*building, QEMU],
        "bench": lambda: [*building, QEMU, *HOST_COMPILER],
        "run": lambda: [*building, QEMU, *TRAFFIC],
        "debug": lambda: [*building, QEMU, DEBUGGER],
        "test": lambda: [*building, QEMU, *TRAFFIC, *TESTING, *listed_for_tests()],
    }[command]()


def release():
    """VERSION_CODENAME of this Debian, or None elsewhere."""
    try:
        text = pathlib.Path("/etc/os-release").read_text()
    except OSError:
        return None
    values = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', text, re.MULTILINE))
    return values.get("VERSION_CODENAME") if values.get("ID") == "debian" else None


def rights():
    """Words to put before a command that needs root; None when there is no way."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and answer("sudo", "-n", "true") is not None:
        return ["sudo", "-n"]
    return None


def install(missing, codename):
    prefix = rights()
    tool = apt.Apt.system(prefix)
    if codename == "bookworm" and QEMU in missing:
        tool = apt.Apt.private(codename, prefix=prefix)
    tool.ready()

    def words():
        return [apt.choose(tool, need.package, PINS.get(codename, {}).get(need.package)) for need in missing]

    say("installing by apt-get what is missing:" if prefix is not None else "missing on this machine:")
    for need in missing:
        say(f"    {need.package:28} {need.why}")
    if prefix is None:
        command = tool.install_command(words())
        if not tool.has_lists():
            command = ["sh", "-c", f"apt-get update && {shlex.join(command)}"]
        print(f"\nAn administrator would run:\n\n    {shlex.join(['sudo', *command])}\n", file=sys.stderr)
        raise Failure("cannot install packages: not root, and no sudo without a password")
    tool.install(words)
    still = [need.package for need in missing if not need.there()]
    if still:
        raise Failure(f"installed, and yet not as needed: {', '.join(still)} (is another one earlier in PATH?)")


def fetch_libfdt(codename):
    """libfdt for the kernel is a package of arm64: unpacked under build/cache, never installed."""
    target = CACHE / "libfdt"
    if (target / "usr/include/libfdt.h").exists():
        return
    say("fetching libfdt-dev:arm64 to build/cache (the kernel reads the device tree with it)")
    tool = apt.Apt.private(codename, architecture="arm64")
    tool.ready()
    word = apt.choose(tool, "libfdt-dev", PINS.get(codename, {}).get("libfdt-dev"))
    package = tool.download(word, CACHE)
    fresh = CACHE / f"libfdt.{os.getpid()}"
    try:
        run("dpkg", "-x", package, fresh)
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        package.unlink()


def require_none_elf():
    found = none_elf()
    if not found:
        place = os.environ.get("AARCH64_NONE_ELF")
        where = f"in {place}, which AARCH64_NONE_ELF names" if place else "on PATH"
        raise Failure(f"aarch64-none-elf-gcc is not {where}. It belongs to the Arm GNU toolchain, which Debian does not "
                      "package: unpack Arm's archive for this machine, and put its bin folder on PATH or set "
                      "AARCH64_NONE_ELF to the folder")
    os.environ["AARCH64_NONE_ELF"] = found  # CMake runs in another folder


def ensure(command, toolchain="linux-gnu", libc="picolibc"):
    """Makes sure that everything is there that a subcommand uses; installs what is not."""
    # A user's PATH may lack the folders of ip and others.
    os.environ["PATH"] = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    if toolchain == "none-elf":
        require_none_elf()
    missing = [need for need in needs_of(command, toolchain, libc) if not need.there()]
    build = command not in ("list", "plot")
    lacks_libfdt = build and not (CACHE / "libfdt/usr/include/libfdt.h").exists()
    lacks_newlib = build and libc == "newlib" and not newlib.there()
    if not missing and not lacks_libfdt and not lacks_newlib:
        return
    codename = release()
    if not codename or not shutil.which("apt-get"):
        names = ", ".join([need.package for need in missing] + ["libfdt-dev:arm64"] * lacks_libfdt
                          + ["newlib-source"] * lacks_newlib)
        raise Failure(f"this is no Debian, so nothing can be installed for you; missing (by Debian's names): {names}")
    CACHE.mkdir(parents=True, exist_ok=True)
    if missing:
        install(missing, codename)
    if lacks_libfdt:
        fetch_libfdt(codename)
    if lacks_newlib:
        newlib.ensure(codename, PINS.get(codename, {}).get("newlib-source"))
