"""
Names of tests. Every test carries one, short and readable; `./baton test --list` prints exactly these.

    @named("console-unknown-command")
    def test_unknown(boot): ...

    @named("switch-frames-{size}-{cpus}cpu")
    @pytest.mark.parametrize("cpus", [1, 2, 4])
    @pytest.mark.parametrize("size", [60, 512, 1514])
    def test_frames(boot, size, cpus): ...

Adding a test that runs a program on the host, and one that boots an image built with a seeded fault:

    @named("host-ownership-random")
    def test_random(build, run_program):
        run_program(build.host("ownership_random"), "1000000")

    @named("seeded-dropped-tlbi")
    def test_dropped(build, boot):
        machine = boot(build.image("share", SEEDED_BUILD), append="seed=dropped-tlbi")
        ...
"""
import pytest

named = pytest.mark.named
long = pytest.mark.long
alone = pytest.mark.alone
patient = pytest.mark.patient
early = pytest.mark.early
