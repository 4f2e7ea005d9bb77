"""
The parts of services that are plain C, run here: the switch's table of stations, the message library, and
the elements of apps/net for IPv4.
"""
import pytest

from naming import named, patient

pytestmark = patient


@named("host-switch-table")
def test_switch_table(build, run_program):
    run_program(build.host("test_switch_table"))


@named("host-table-threads")
def test_table_threads(build, run_program):
    """The same table, used by several lanes at once."""
    assert "done" in run_program(build.host("table_threads"))


@named("host-route-threads")
def test_route_threads(build, run_program):
    """The router's routes, looked up by several lanes while they change."""
    assert "done" in run_program(build.host("route_threads"))


@named("host-message-library")
def test_message_library(build, run_program):
    run_program(build.host("test_message_library"))


@named("host-net-ipv6")
def test_net_ipv6(build, run_program):
    run_program(build.host("test_net_ipv6"))


@named("host-net-ipv4")
def test_net_ipv4(build, run_program):
    run_program(build.host("test_net_ipv4"))


NET = {"route": "test_route", "neighbor": "test_neighbor", "neighbor-questions": "test_neighbor_questions", "config": "test_config"}


@named("host-net-{unit}")
@pytest.mark.parametrize("unit", NET)
def test_net(build, run_program, unit):
    """Routes, neighbours and the configuration file, which serve both families."""
    run_program(build.host(NET[unit]))
