"""What is in the guests that Baton is measured against; see peer_guest.Recipe."""
import re

from tools.common import Failure
from tools.peer_guest import Recipe


def testpmd_packages(tool):
    """testpmd, in dpdk-dev, is linked with much of DPDK; the driver of virtio is a plugin, whose name has DPDK's version in it."""
    names = [name for name in tool.depends("dpdk-dev") if name.startswith(("lib", "ibverbs")) and not name.endswith("-dev")]
    version = next((re.sub(r"\D+", "", name) for name in names if name.startswith("librte-eal")), None)
    if not version:
        raise Failure("apt knows no dpdk-dev for arm64")
    return ["busybox-static", f"librte-net-virtio{version}", *names]


LINUX = Recipe("linux", ["busybox-static", "iproute2"], [("bin/ip", "usr/bin/ip", "sbin/ip", "usr/sbin/ip")],
                          ["virtio_pci", "virtio_net", "bridge"])
DPDK = Recipe("dpdk", testpmd_packages, [("usr/bin/dpdk-testpmd",)], ["uio_pci_generic"],
                         [f"usr/lib/aarch64-linux-gnu/dpdk/pmds-*/librte_{part}.so.*.*"
                          for part in ("net_virtio", "mempool_ring")], alone=["dpdk-dev"])
