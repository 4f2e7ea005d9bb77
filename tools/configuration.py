"""
Finds mistakes in a configuration file before anything boots: config-check (config_check.c) is made of the same sources as
the appliance's own reader, and compiled for this machine when it is first needed.
"""
import subprocess

from tools import setup
from tools.common import BUILD, ROOT, Failure, locked, run

PARTS = ["tools/config_check.c", "apps/net/config.c", "apps/net/config_check.c", "apps/net/address.c", "apps/net/next_hop.c",
         "apps/net/ipv4.c", "apps/net/ipv6.c"]
READER = '#include "apps/net/config.h"'


def reads(appliance):
    """Whether an appliance reads a file of this kind: one of its own sources includes the reader."""
    folder = ROOT / "apps" / appliance
    return any(READER in file.read_text() for file in folder.glob("*.[ch]"))


def program():
    """Path of config-check, compiled anew when a source has changed."""
    target = BUILD / "tools" / "config-check"
    with locked("config-check"):
        sources = [*(ROOT / part for part in PARTS), *(ROOT / "apps" / "net").glob("*.h")]
        if not target.exists() or any(file.stat().st_mtime >= target.stat().st_mtime for file in sources):
            target.parent.mkdir(parents=True, exist_ok=True)
            run("gcc", "-std=gnu11", "-O1", "-I", ROOT, "-o", target, *(ROOT / part for part in PARTS), quiet=True)
    return target


def check(appliance, file, interfaces=0):
    """Raises Failure with a line for each mistake; `interfaces` 0: not known yet."""
    if not file or not reads(appliance):
        return
    setup.ensure("config")
    done = subprocess.run([program(), file, str(interfaces)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise Failure(done.stdout.strip())
