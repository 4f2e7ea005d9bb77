"""The appliance that README.md lets its reader write, written, built and booted, in a copy of the tree."""
import re

from building import BUILD, ROOT, copy_tree, locked, run
from naming import named

FRAME = bytes([2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 0x88, 0xb5]) + bytes(range(186))


@named("readme-appliance-builds-and-runs")
def test_mirror(boot, build, tmp_path):
    build.target("switch", "virt")  # what the build fetches is there
    chapter = (ROOT / "README.md").read_text().split("## Writing an appliance")[1].split("\n## ")[0]
    tables, program = re.findall(r"```c\n(.*?)```", chapter, re.DOTALL)
    line = re.search(r"`(baton_appliance\(mirror [^`]*\))`", chapter).group(1)
    copy_tree(tmp_path)
    folder = tmp_path / "apps" / "mirror"
    folder.mkdir()
    for name, text in (("appliance.c", tables), ("mirror.c", program), ("CMakeLists.txt", line + "\n")):
        (folder / name).write_text(text)
    with locked("readme"):
        run("cmake", "-S", tmp_path, "-B", tmp_path / "build" / "virt", "-G", "Ninja",
            f"-DCMAKE_TOOLCHAIN_FILE={tmp_path / 'cmake' / 'aarch64-linux-gnu.cmake'}",
            f"-DBATON_LIBFDT={BUILD / 'cache' / 'libfdt' / 'usr'}")
        run("cmake", "--build", tmp_path / "build" / "virt", "--target", "mirror")
    machine = boot(tmp_path / "build" / "virt" / "mirror.img", cpus=2)
    machine.wait_for(r"^ready: mirror, 2 interfaces\n")
    for index in range(2):
        port = machine.port(index)
        port.send(FRAME)
        assert port.receive() == FRAME[6:12] + FRAME[:6] + FRAME[12:]
    machine.halt()
