/*
 * Ends when it is told to: main returns, and its port is dead from then on.
 */
#include "apps/baton.h"

int main(void)
{
    struct baton_message message;

    baton_receive(baton_port_find("short"), &message, 0, BATON_FOREVER);
    return 0;
}
