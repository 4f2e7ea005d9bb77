"""`./baton run` by a user who is not root, in a clone of his own: as root, the tests become the user nobody for it."""
import json
import os
import pathlib
import shutil
import stat
import subprocess

import pytest

from building import BUILD, ROOT, copy_tree
from naming import alone, named

NOBODY = 65534
HERE = "/mnt"  # where nobody sees his clone, in a mount namespace: the tests' own folders are closed to others
LIMITED = ["unshare", "--user", "--map-current-user", "--keep-caps", "sh", "-c",
           "echo 0 > /proc/sys/user/max_user_namespaces; "
           "exec setpriv --inh-caps=-all --ambient-caps=-all --bounding-set=-all \"$@\"", "sh"]


class Clone:
    """A clone that belongs to a user, and how he runs `./baton run` in it."""

    def __init__(self, folder):
        self.folder, self.is_root = folder, os.geteuid() == 0
        copy_tree(folder)
        (folder / "tmp").mkdir()
        shutil.copytree(BUILD / "cache" / "libfdt", folder / "build" / "cache" / "libfdt", symlinks=True)
        if self.is_root:
            for path in [folder, *folder.rglob("*")]:
                os.chown(path, NOBODY, NOBODY, follow_symlinks=False)

    def device(self, mode):
        """Another node for /dev/net/tun, with this mode, so that the system's own one is left alone."""
        node = self.folder / "tun"
        node.unlink(missing_ok=True)
        os.mknod(node, stat.S_IFCHR, os.makedev(10, 200))
        node.chmod(mode)
        return f"mount --bind {node} /dev/net/tun && "

    def words(self, prepare, *words):
        if not self.is_root:
            return words
        return ["unshare", "--mount", "sh", "-c", f"{prepare} mount --bind {self.folder} {HERE} && cd {HERE} && exec \"$@\"",
                "sh", "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--", *words]

    def run(self, *options, prepare="", within=()):
        """Returns what it printed and the content of its --json file."""
        (self.folder / "result.json").unlink(missing_ok=True)
        home = HERE if self.is_root else str(self.folder)
        words = self.words(prepare, *within, "./baton", "run", "--seconds", "4", "--json", "result.json", *options)
        done = subprocess.run(words, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=250,
                              env={"PATH": "/usr/bin:/bin", "HOME": home, "TMPDIR": f"{home}/tmp"})
        assert done.returncode == 0, done.stdout[-6000:]
        assert not list((self.folder / "tmp").iterdir()), "something was left among the temporary files"
        assert "administrator" not in done.stdout and "sudo" not in done.stdout, done.stdout
        return done.stdout, json.loads((self.folder / "result.json").read_text())


@pytest.fixture(scope="module")
def clone(build, tmp_path_factory):
    """One for all tests here: the first of them builds in it."""
    build.target("switch", "virt")  # what the build fetches is there
    return Clone(tmp_path_factory.mktemp("clone"))


def steps_of(result):
    return {step["name"] for step in result["steps"]}


@named("run-unprivileged-{link}")
@alone
@pytest.mark.parametrize("link", ["tap", "veth"])
def test_unprivileged(clone, link):
    """
    Real hosts in user namespaces. With `tap` everyone may open /dev/net/tun, as on most systems, with `veth` only root may:
    another node is mounted on the device for either. A user who runs the tests himself has but one of the two.
    """
    prepare = ""
    if clone.is_root:
        if not pathlib.Path("/dev/net/tun").exists():
            pytest.skip("there is no /dev/net/tun")
        prepare = clone.device(0o666 if link == "tap" else 0o600)
    elif os.access("/dev/net/tun", os.R_OK | os.W_OK) != (link == "tap"):
        pytest.skip("/dev/net/tun has the rights for the other test")
    text, result = clone.run(prepare=prepare)
    assert "in network namespaces inside user namespaces, as this is not root" in text
    assert ("by pairs of virtual cards and not by taps (/dev/net/tun: Permission denied)" in text) == (link == "veth")
    assert result["hosts"] == "user" and result["ok"]
    assert {"ping, a to b", "iperf3 TCP, b to a", "file by curl, b to a", "no page lost"} <= steps_of(result)


@named("run-without-namespaces")
@alone
def test_without_namespaces(clone):
    """
    User namespaces are forbidden by their limit, set to 0 in a user namespace around the command: so it is the kernel that
    refuses, and the command has to find that out by itself.
    """
    text, result = clone.run(within=LIMITED)
    assert "no hosts, but a generator with two stations, a (10.0.0.1) and b (10.0.0.2), over stream sockets, " \
           "as this is not root and a user may make no network namespaces here (unshare: the limit" in text, text
    assert result["hosts"] == "none" and result["ok"]
    for step in result["steps"]:
        if step["name"].startswith("frames of"):
            assert step["received"] == step["sent"] > 100 and not step["lost"] + step["wrong"] + step["twice"], step
    assert {"ARP, a and b", "frames of 60 bytes", "frames of 1514 bytes", "frames of mixed sizes"} <= steps_of(result)


@named("run-hosts-refused-{id}")
@pytest.mark.parametrize("options, status, words", [
    pytest.param(["--hosts", "user"], 1, "--hosts user: no network namespaces (unshare: the limit", id="user"),
    pytest.param(["--hosts", "root"], 1, "run as root, as in: sudo ./baton run", id="root"),
    pytest.param(["--hosts", "nobody"], 2, "invalid choice: 'nobody'", id="unknown"),
    pytest.param(["--hosts", "none", "--net", "user"], 2, "not with --net", id="with-net"),
])
def test_refused(options, status, words):
    """A way that was asked for by name is not replaced by another one. Here no namespace of any kind can be made."""
    done = subprocess.run([*LIMITED, ROOT / "baton", "run", *options], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60)
    assert done.returncode == status and words in done.stdout, done.stdout
