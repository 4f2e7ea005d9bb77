"""
What the built-in demonstration of each appliance is made of: its hosts, its configuration file, its traffic. An appliance
that is not named here is shown between the switch's hosts, without steps of its own.
"""
from tools import traffic


class Switch:
    """Two hosts of one network."""

    MTU = 1500
    config = None

    def hosts(self, make):
        for name, last in (("a", 1), ("b", 2)):
            yield make(name, f"10.0.0.{last}", f"02:00:00:00:00:0{name}")

    def steps(self, a, b, seconds, folder):
        return traffic.steps(a, b, seconds, folder)


class Router:
    """
    Two hosts in networks of their own; the second one's link carries shorter packets, for path-MTU discovery. Their IPv6
    addresses and routes they have from the router's advertisements.
    """

    MTU = 1400
    config = f"""\
# The demonstration of ./baton run router
interface net0 10.0.0.1/24 2001:db8:0::1/64
interface net1 10.0.1.1/24 2001:db8:1::1/64 mtu {MTU}
"""

    def hosts(self, make):
        for name, number in (("a", 0), ("b", 1)):
            yield make(name, f"10.0.{number}.2", f"02:00:00:00:00:0{name}", gateway=f"10.0.{number}.1")

    def steps(self, a, b, seconds, folder):
        a6, b6 = traffic.Six(a, "2001:db8::1"), traffic.Six(b, "2001:db8:1::1")
        return [
            ("traceroute, a to b", lambda tick: traffic.traceroute(a, b, tick)),
            ("path MTU, a to b", lambda tick: traffic.path_mtu(a, b, self.MTU, tick)),
            *traffic.steps(a, b, seconds, folder),
            ("IPv6: advertisements", lambda tick: traffic.autoconfiguration(a6, b6, tick)),
            ("IPv6: ping, a to b", lambda tick: traffic.ping(a6, b6, tick)),
            ("IPv6: traceroute, b to a", lambda tick: traffic.traceroute(b6, a6, tick)),
            ("IPv6: path MTU, a to b", lambda tick: traffic.path_mtu(a6, b6, self.MTU, tick)),
            ("IPv6: iperf3 TCP, a to b", lambda tick: traffic.tcp(a6, b6, traffic.share(seconds), tick)),
        ]


def of(appliance):
    return Router() if appliance == "router" else Switch()
