"""
Who runs which test, and when. Tests of machines mostly wait: for a console, for frames, for a time to pass. Two workers run those,
and a third one runs beside them what only computes, at a low priority: it takes of the processors what the others leave idle. When
no machine is left, all run what remains. Long ones begin first, so that all workers are busy to the end.

A test that only computes is marked `patient`: it must not care how long it takes.
"""
import os

import pytest
from xdist.scheduler import LoadGroupScheduling

NICE = 10  # as nice(1) counts: about a tenth of a processor that somebody else wants
SECONDS = 900  # that a patient test may take
PATIENT = "patient "  # how the names of such units begin


def is_patient(worker, count):
    return count > 2 and worker == f"gw{count - 1}"


def begin(config):
    """A worker's start."""
    mine = getattr(config, "workerinput", None)
    if mine and is_patient(mine["workerid"], mine["workercount"]):
        os.nice(NICE)


def name_with_group(item, name):
    """The name by which the scheduler knows a test: behind the @ stands its unit, which one worker runs in one piece."""
    group = next((mark.args[0] for mark in item.iter_markers("xdist_group")), None)
    if item.get_closest_marker("alone"):
        group = "alone"
    if item.get_closest_marker("patient"):
        group = PATIENT + (group or name)
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SECONDS))
    return f"{name}@{group}" if group else name


def sort(items):
    items.sort(key=lambda item: not (item.get_closest_marker("alone") or item.get_closest_marker("early")))


class Scheduling(LoadGroupScheduling):
    """As pytest-xdist's loadgroup, but for who gets which unit."""

    def choose(self, node):
        """The next unit for a worker; None when it gets no more."""
        others = (scope for scope in self.workqueue if not scope.startswith(PATIENT))
        patient = (scope for scope in self.workqueue if scope.startswith(PATIENT))
        if is_patient(node.gateway.id, self.numnodes):
            return next(patient, None)
        return next(others, None) or next(patient, None)

    def _reschedule(self, node):
        if not node.shutting_down and self.choose(node) is None:
            node.shutdown()
        else:
            super()._reschedule(node)

    def _assign_work_unit(self, node):
        scope = self.choose(node)
        if scope is None:
            node.shutdown()
        else:
            self.workqueue.move_to_end(scope, last=False)  # which is where it is taken from
            super()._assign_work_unit(node)
