"""
Who speaks at the ends of the built-in demonstration: real hosts in network namespaces, made by root or in a user namespace,
or where neither is allowed, the stations of the generator over stream sockets.
"""
import functools
import os

from tools import generator
from tools.common import Failure
from tools.generator import Station
from tools.hosts import Host, Namespace

ADVICE = {"root": "run as root, as in: sudo ./baton run", "user": "this system does not allow it to users"}


class Way:
    """One of "root", "user", "none", and why it was taken."""

    def __init__(self, name, space, why):
        self.name, self.space, self.why, self.real = name, space, why, space is not None
        self.make = functools.partial(Host, space) if space else Station

    def describe(self, ends):
        names = " and ".join(f"{end.name} ({end.address})" for end in ends)
        if not self.real:
            return f"no hosts, but a generator with two stations, {names}, over stream sockets, {self.why}"
        remark = f"; {self.space.remark}" if self.space.remark else ""
        within = "inside user namespaces" if self.space.user else "of their own"
        return f"two hosts, {names}, in network namespaces {within}, {self.why}{remark}"

    def steps(self, show, a, b, seconds, folder):
        return show.steps(a, b, seconds, folder) if self.real else generator.steps(a, b, seconds, show.MTU)


def choose(wish):
    """The first way that this system allows, of those that the user wishes. Nothing stays behind of the attempts."""
    is_root = os.geteuid() == 0
    if wish == "none":
        return Way("none", None, "as --hosts none says")
    names = [wish] if wish != "auto" else ["root", "user"] if is_root else ["user"]
    reasons = [] if is_root or wish != "auto" else ["this is not root"]
    for name in names:
        space = Namespace(user=name == "user")
        refusal = space.refusal()
        if refusal is None:
            why = f"as --hosts {name} says" if wish != "auto" else f"as {'; '.join(reasons) or 'this is root'}"
            return Way(name, space, why)
        if wish != "auto":
            raise Failure(f"--hosts {name}: no network namespaces ({refusal}): {ADVICE[name]}")
        reasons.append(f"{'root' if name == 'root' else 'a user'} may make no network namespaces here ({refusal})")
    return Way("none", None, "as " + " and ".join(reasons))
