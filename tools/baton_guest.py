"""Baton's own appliances, for measurements: see tools/rig.py for what a guest is."""
import tempfile

from tools import build
from tools.machine import command_line

# As peers that route have it: static neighbours, which are the generator's stations.
CONFIGURATION = """\
interface net0 10.0.0.1/24
interface net1 10.0.1.1/24
neighbor 10.0.0.2 02:00:00:00:00:01 net0
neighbor 10.0.1.2 02:00:00:00:00:02 net1
"""
ROUTES_LIMIT = 60


class Baton:
    polls = False

    def __init__(self, appliance, placement, preset, memory=512):
        self.appliance, self.placement, self.preset, self.memory = appliance, placement, preset, memory
        self.name = f"baton-{appliance}" + ("-trusted" if placement == "trusted" else "")
        self.title = f"Baton {appliance}, {placement}"
        self.routed = 4 if appliance == "router" else None
        self.image = self.configuration = None

    def prepare(self):
        self.image = build.image(self.appliance, self.preset)
        if self.routed:
            self.configuration = tempfile.NamedTemporaryFile("w", prefix="baton-", suffix=".conf")
            self.configuration.write(CONFIGURATION)
            self.configuration.flush()

    def command_line(self, nics, cpus=1):
        config = self.configuration.name if self.configuration else None
        return command_line(self.image, cpus, self.memory, self.placement, config, nics)

    def wait_ready(self, machine):
        machine.wait_ready()
        if self.routed:
            machine.expect("router: routing between", ROUTES_LIMIT)

    def stats(self, machine):
        return machine.stats()
