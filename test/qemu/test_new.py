"""`./baton new`, and the walk-through of docs/, done word by word, in a copy of the tree."""
import json
import os
import re
import subprocess

import pytest

from building import BUILD, ROOT
from harness import wait_until
from naming import alone, named
from test_readme import copy_tree

FRAME = bytes([2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 0x88, 0xb5]) + bytes(range(186))
BLOCK = re.compile(r"(?:^`(\S+)`\n\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """One copy for all tests here, which therefore run in one worker: the kernel is built in it once."""
    folder = tmp_path_factory.mktemp("tree")
    copy_tree(folder)
    (folder / "build").mkdir(exist_ok=True)
    (folder / "build" / "cache").symlink_to(BUILD / "cache")
    return folder


def baton(tree, *words, status=0):
    done = subprocess.run(["./baton", *words], cwd=tree, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=250)
    assert done.returncode == status, f"./baton {' '.join(words)} ended with {done.returncode}:\n{done.stdout[-6000:]}"
    return done.stdout


@named("new-appliance-refused")
@alone
def test_refused(tree):
    for name, why in (("switch", "there is apps/switch already"), ("restart", "already"), ("Gate", "small letters"),
                      ("../gate", "small letters"), ("a" * 21, "at most 20"), ("net0", "something else"),
                      ("capture", "something else"), ("", "small letters")):
        assert why in baton(tree, "new", name, status=2)
    assert sorted(path.name for path in (tree / "apps").iterdir()) == sorted(
        path.name for path in (ROOT / "apps").iterdir()), "nothing was made"


@named("new-appliance-builds-and-runs")
@alone
def test_new(tree, boot):
    assert "./baton run gate-2" in baton(tree, "new", "gate-2")
    for file in sorted((tree / "apps" / "gate-2").glob("*.c")):
        subprocess.run(["clang-format", "--dry-run", "-Werror", file], cwd=tree, check=True)
    image = tree / baton(tree, "build", "gate-2").strip().split("\n")[-1]
    machine = boot(image, cpus=2)
    machine.wait_for(r"^ready: gate-2, 2 interfaces\n")
    ports = [machine.port(index) for index in range(2)]
    for source, sink in ((0, 1), (1, 0)):
        ports[source].send(FRAME)
        assert ports[sink].receive() == FRAME
    machine.halt()


def read_capture(path):
    done = subprocess.run(["tcpdump", "-nr", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@named("docs-walkthrough")
@alone
def test_walkthrough(tree, boot):
    if os.geteuid() != 0:
        pytest.skip("the demonstration's hosts need root")
    text = (tree / "docs" / "walkthrough.md").read_text()
    lines = 0  # of C, those that are not empty
    for path, language, code in BLOCK.findall(text):
        if path:
            assert (tree / path).parent.is_dir()
            (tree / path).write_text(code)
            lines += len(code.split("\n")) - code.count("\n\n") - 1 if language == "c" else 0
            continue
        assert language == "sh"
        for command in code.strip().split("\n"):
            done = subprocess.run(["sh", "-c", command], cwd=tree, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, timeout=250)
            assert done.returncode == 0, f"{command}:\n{done.stdout[-6000:]}"
    assert 50 < lines < 100

    stats = json.loads((tree / "watch.json").read_text())["stats"]
    counters = next(service for service in stats["services"] if service["name"] == "hosts")["counters"]
    bytes_of = {name: value for name, value in counters.items() if name.startswith("bytes_02")}
    assert len(bytes_of) == 2 and min(bytes_of.values()) > 100000, counters
    assert "ICMP echo reply" in read_capture(tree / "watch.pcapng")

    machine = boot(tree / "build" / "virt" / "watch.img", cpus=2, nics=3)
    machine.wait_ready()
    ports = [machine.port(index) for index in range(3)]
    ports[0].send(FRAME)
    assert ports[1].receive() == FRAME and ports[2].receive() == FRAME
    ports[2].send(FRAME)  # nobody speaks from the mirror port
    assert wait_until(lambda: any(service["counters"].get("dropped") == 1 for service in machine.stats()["services"]))
    assert ports[0].drain(0.3) == []
    assert machine.stats()["copied"]["payload_bytes"] == 0
    machine.halt()
