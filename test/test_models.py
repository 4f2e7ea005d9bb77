"""
The Spin models of test/model: each holds in every interleaving and with every order of stores that it allows, and each
of its mutants, a barrier dropped or two steps swapped, is refuted. A model names the functions that it stands for.

A model's head lists its mutants, one a line, in capitals; `spin -D` selects one.
"""
import re
import subprocess

import pytest

from building import ROOT
from naming import named, patient

pytestmark = patient

MODELS = {path.stem: path for path in sorted((ROOT / "test" / "model").glob("*.pml")) if path.stem != "memory"}
MEMORY_MIB = 2000
SECONDS = 600


def head(name):
    return MODELS[name].read_text().split("*/")[0]


def mutants(name):
    return re.findall(r"^ \*   ([A-Z_]+) ", head(name), re.MULTILINE)


MUTANTS = [(name, mutant.lower().replace("_", "-")) for name in MODELS for mutant in mutants(name)]


def run(folder, *command):
    done = subprocess.run([str(word) for word in command], cwd=folder, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=SECONDS)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}"
    return done.stdout


def search(name, folder, *options, optimize="-O1"):
    """What Spin says after it has searched all states."""
    run(folder, "spin", "-a", *options, MODELS[name])
    run(folder, "gcc", "-w", optimize, "-DSAFETY", "-DCOLLAPSE", f"-DMEMLIM={MEMORY_MIB}", "-o", "pan", "pan.c")
    said = run(folder, "./pan", "-m200000")
    assert "errors: 1" in said or "Search not completed" not in said, said
    return said


@named("model-{model}")
@pytest.mark.parametrize("model", MODELS)
def test_model_holds(model, tmp_path):
    said = search(model, tmp_path)
    assert "errors: 0" in said and "max search depth too small" not in said, said


@named("model-{model}-mutant-{mutant}")
@pytest.mark.parametrize("model,mutant", MUTANTS)
def test_mutant_is_refuted(model, mutant, tmp_path):
    # What is wrong is found soon: compiling what looks for it takes longer than looking
    said = search(model, tmp_path, "-D" + mutant.upper().replace("-", "_"), optimize="-O0")
    assert "errors: 1" in said and re.search(r"pan:1: (assertion violated|invalid end state)", said), said


@named("model-mutants-exist")
def test_mutants_exist():
    """A mutant that is listed but not built in, or the other way round, would prove nothing."""
    for name, path in MODELS.items():
        used = set(re.findall(r"#ifn?def (\w+)", path.read_text()))
        assert used == set(mutants(name)) and used, f"{path.name}: lists {mutants(name)}, uses {sorted(used)}"


@named("model-functions-exist")
def test_functions_exist():
    sources = "\n".join(file.read_text() for floor in ("core", "mm", "ipc", "apps") for file in (ROOT / floor).rglob("*.c"))
    for name, path in MODELS.items():
        modelled = re.search(r"models: (.*)", head(name))
        assert modelled, f"{path.name} does not say which functions it models"
        for function in modelled.group(1).split():
            assert re.search(rf"^\w[^;\n]*\b{function}\(", sources, re.MULTILINE), f"{path.name}: no {function}()"
