"""The table of docs/stations.md: measured again, and held against what is committed."""
import copy

import pytest

from naming import named
from tools import bench_stations, stations

TRIES = 3         # the fewest instructions count: what is done once a batch varies with the host, and a dearer image is so each time
OTHERS_LIMIT = 8  # instructions a frame of functions that the table of tools/stations.py does not know


@pytest.fixture(scope="module")
def committed():
    return bench_stations.read(bench_stations.DOCUMENT.read_text())


@named("stations-{appliance}-{placement}")
@pytest.mark.alone
@pytest.mark.parametrize("placement", ["isolated", "trusted"])
@pytest.mark.parametrize("appliance", ["switch", "router"])
def test_stations(committed, appliance, placement):
    columns = [column for column in bench_stations.COLUMNS if column[:2] == (appliance, placement)]
    for _ in range(TRIES):
        found = bench_stations.profile(columns, "virt")
        print(bench_stations.markdown(found))
        faults = bench_stations.dearer(committed, found)
        if not faults:
            break
    assert not faults
    for column, functions in found.items():
        unknown = bench_stations.by_station(functions)[stations.OTHERS]
        assert unknown <= OTHERS_LIMIT, f"{column}: {unknown:.1f} instructions a frame are at no station: tools/stations.py"


@named("stations-refuse-a-dearer-one")
def test_refuses(committed):
    """Twenty instructions more at one station, and no more than is allowed at all others."""
    column = bench_stations.COLUMNS[0]
    functions = {(name, name): count for name, count in
                 (("port_take", 40), ("messages_send", 30), ("plain_send", 70), ("forward", 25))}
    functions[bench_stations.CALLS] = 0.05
    table = {column: bench_stations.by_station(functions)}
    assert not bench_stations.dearer(table, {column: functions})
    slower = copy.deepcopy(functions)
    slower["messages_send", "messages_send"] += 20
    slower["plain_send", "plain_send"] += 6
    faults = bench_stations.dearer(table, {column: slower})
    assert len(faults) == 1 and "station 8, 9" in faults[0] and "messages_send 50.0" in faults[0]
