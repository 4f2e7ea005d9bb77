"""What is in the guests that Baton is measured against; see peer_guest.Recipe."""
import re

from tools.common import Failure
from tools.peer_guest import Recipe


def testpmd_packages(tool):
    """
    What testpmd, in dpdk-dev, is linked with: much of DPDK, but not the two plugins that it needs here. Their packages' names
    end with the version of DPDK's interface.
    """
    names = [name for name in tool.depends("dpdk-dev") if name.startswith(("lib", "ibverbs")) and not name.endswith("-dev")]
    version = next((re.sub(r"\D+", "", name) for name in names if name.startswith("librte-eal")), None)
    if not version:
        raise Failure("apt knows no dpdk-dev for arm64")
    return ["busybox-static", *(f"librte-{part.replace('_', '-')}{version}" for part in PLUGINS), *names]


PLUGINS = ["net_virtio", "mempool_ring"]
LINUX = Recipe("linux", packages=["busybox-static", "iproute2"], programs=[("bin/ip", "usr/bin/ip", "sbin/ip", "usr/sbin/ip")],
               modules=["virtio_pci", "virtio_net", "bridge"])
DPDK = Recipe("dpdk", packages=testpmd_packages, alone=["dpdk-dev"], programs=[("usr/bin/dpdk-testpmd",)],
              modules=["uio_pci_generic"],
              plugins=[f"usr/lib/aarch64-linux-gnu/dpdk/pmds-*/librte_{part}.so.*.*" for part in PLUGINS])
