/* The router's IPv6 addresses, from the configuration: see router6.h. Its routes are in the table already. */
#include "apps/router/lane.h"
#include "apps/router/router6.h"

struct router6 router6;

static void address_put(const struct config_address *address)
{
    if (ipv6_link_local(address->address))
        router6.link_local[address->interface] = address->address;
    else
        router6.subnet[router6.subnets++] =
            (struct subnet6){address->address, address->length, address->interface};
}

void setup6(void)
{
    for (unsigned i = 0; i < router.interfaces; i++)
        router6.link_local[i] = ipv6_link_local_of(router.interface[i].link);
    for (unsigned i = 0; i < router.config.addresses; i++)
        if (router.config.address[i].family == CONFIG_IPV6)
            address_put(&router.config.address[i]);
    advertise6_init();
}

void tick6(bool doubt)
{
    resolve6_tick(doubt);
    if (lane->number == 0)
        advertise6_tick();
}
