"""
newlib for the services (--libc newlib): built once from Debian's package of its source, to build/cache/newlib.

Any of the compilers links with it, as it is plain ARM64 code; so it is always built by Debian's cross compiler. That one
is made for Linux, which newlib must not notice. What is chosen here, apps/lib/libc_newlib.c and cmake/libc.cmake rely on:
data for each thread by __getreent(), locks by __retarget_lock_*, system calls by names that begin with an underscore.
"""
import hashlib
import os
import shutil

from tools import apt
from tools.common import CACHE, locked, run, say

TARGET = CACHE / "newlib"
TOOLS = {"CC": "gcc", **{name.upper(): name for name in ("ar", "as", "ld", "nm", "ranlib", "objcopy", "objdump",
                                                         "readelf", "strip")}}
FLAGS = ["-O2", "-mcpu=cortex-a72", "-mno-outline-atomics", "-fno-pie", "-fno-stack-protector",
         "-fno-omit-frame-pointer", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables", "-ffunction-sections",
         "-fdata-sections", "-fno-builtin", "-w", "-D__DYNAMIC_REENT__", "-U__linux__", "-U__gnu_linux__", "-U__unix__",
         "-U__linux", "-U__unix", "-Ulinux", "-Uunix"]
OPTIONS = ["--target=aarch64-none-elf", "--disable-libgloss", "--disable-multilib", "--disable-nls",
           "--disable-newlib-supplied-syscalls", "--enable-newlib-io-c99-formats", "--enable-newlib-io-long-long",
           "--enable-newlib-retargetable-locking",
           *[f"{name}_FOR_TARGET=aarch64-linux-gnu-{tool}" for name, tool in TOOLS.items()],
           f"CFLAGS_FOR_TARGET={' '.join(FLAGS)}"]
MAKE = ["make", "MAKEINFO=true"]  # no manuals
RECIPE = hashlib.sha256(repr([OPTIONS, MAKE]).encode()).hexdigest()


def there():
    """It has been built, and in the way that is said above."""
    stamp = TARGET / "recipe"
    return stamp.exists() and stamp.read_text() == RECIPE


def ensure(codename, pin):
    with locked("newlib"):
        if there():  # by another command, meanwhile
            return
        work = CACHE / f"newlib.{os.getpid()}"
        work.mkdir()
        try:
            compile_source(fetch_source(codename, pin, work), work)
            collect(work)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def fetch_source(codename, pin, work):
    """Debian's package holds the source as one archive; returns the folder that it makes."""
    say("fetching newlib-source to build/cache")
    tool = apt.Apt.private(codename, architecture="arm64")  # any will do; those lists are there for libfdt
    tool.ready()
    package = tool.download(apt.choose(tool, "newlib-source", pin), work)
    run("dpkg", "-x", package, work / "package")
    archive = next((work / "package").glob("usr/src/newlib/newlib-*.tar.*"))
    shutil.unpack_archive(archive, work / "source")
    return next((work / "source").glob("*/configure")).parent


def compile_source(source, work):
    say("building newlib, which takes about a minute")
    place = work / "build"
    place.mkdir()
    run(source / "configure", f"--prefix={work / 'made'}", *OPTIONS, quiet=True, cwd=place, what="configuring newlib")
    run(*MAKE, f"-j{os.cpu_count()}", "all-target-newlib", quiet=True, cwd=place, what="compiling newlib")
    run(*MAKE, "install-target-newlib", quiet=True, cwd=place, what="installing newlib to build/cache")


def collect(work):
    made = work / "made" / "aarch64-none-elf"
    (made / "recipe").write_text(RECIPE)
    shutil.rmtree(TARGET, ignore_errors=True)
    made.rename(TARGET)
