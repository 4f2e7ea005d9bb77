"""./baton debug: QEMU stopped at the image's first instruction, with gdb attached and all symbols loaded."""
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time

from tools import build, setup
from tools.common import ROOT, Failure, say
from tools.machine import Machine, Nic, command_line

LOADED_AT = 0x40200000           # where QEMU's virt puts an image, and where it begins
LINKED_AT = 0xFFFFFFC000000000   # IMAGE_BASE of core/layout.h


def follow(machine):
    """Copies the guest's console to the terminal, beside gdb's own words."""
    shown = 0
    while True:
        with machine.news:
            while shown == len(machine.lines) and not machine.ended:
                machine.news.wait()
            lines, shown = machine.lines[shown:], len(machine.lines)
            ended = machine.ended
        for line in lines:
            print(f"console| {line}", file=sys.stderr, flush=True)
        if ended:
            return


def gdb_script(image, socket):
    appliance = image.stem
    services = sorted((image.parent / "services").glob(f"{appliance}-*.elf"))
    note = ("The image's first instruction, where the MMU is still off. Each of the kernel's functions has two places:",
            "the one it is loaded at, for the first steps, and the one it is linked at. Ctrl-C stops the guest, `quit`",
            "ends it. What its console says comes on lines that begin with `console|`. `baton` lists commands that show",
            "spaces, pages, ports, services and threads.")
    return "\n".join([
        "set confirm off", "set pagination off",
        f"directory {ROOT}", *[f"add-symbol-file {service}" for service in services],
        f"add-symbol-file {image.with_suffix('.elf')} -o {LOADED_AT - LINKED_AT & (1 << 64) - 1:#x}",
        f"target remote {socket}", f"tbreak *{LOADED_AT:#x}", "continue",
        f"source {ROOT / 'tools/gdb/baton.py'}",
        *[f"echo {line}\\n" for line in note],
    ]) + "\n"


def main(options):
    setup.ensure("debug", options.toolchain, options.libc)
    image = build.image(options.appliance, build.preset_of(options))
    with tempfile.TemporaryDirectory(prefix="baton-") as folder:
        socket, script = pathlib.Path(folder) / "gdb", pathlib.Path(folder) / "script"
        words = command_line(image, options.cpus, options.memory, options.placement, options.config,
                             [Nic(spec="user,restrict=on")] * 2)
        machine = Machine(words + ["-S", "-chardev", f"socket,id=gdb,path={socket},server=on,wait=off", "-gdb",
                                   "chardev:gdb"])
        try:
            for _ in range(100):
                if socket.exists() or not machine.alive():
                    break
                time.sleep(0.05)
            if not machine.alive():
                raise Failure("QEMU did not start: " + machine.errors)
            script.write_text(gdb_script(image, socket))
            threading.Thread(target=follow, args=[machine], daemon=True).start()
            say(f"gdb on {build.shown(image.with_suffix('.elf'))}")
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for gdb; gdb ends this
            return subprocess.run(["gdb-multiarch", "-q", "-x", script, image.with_suffix(".elf")],
                                  preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)).returncode
        finally:
            machine.kill()
