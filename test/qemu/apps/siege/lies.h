/*
 * Lies to the kernel that are told one by one, each with what must come of it.
 */
#ifndef SIEGE_LIES_H
#define SIEGE_LIES_H

#include "test/qemu/apps/siege/forge.h"

/* Finds the ports, with a message to each: before all others but lie_frame, lie_send and lie_trespass. */
void lie_begin(const char *name);

/*
 * A frame for an interface, that looks as no honest one does: inline data anywhere in the message, up to three pieces of pages anywhere
 * in those, any length; and where the device's header will lie, an order to the device. But its bytes follow a rule that
 * test_siege.py knows: 12 of LIE_ADDRESS, then two that are the length, least significant first, then for each byte its place
 * times 7, plus the length. False: there was no page for it.
 */
bool lie_frame(struct arena *arena, struct baton_message *message);
#define LIE_ADDRESS 0x66

/* Sends so many of them to an interface, one by one, each until the interface takes or refuses it. Returns how many it took. */
unsigned lie_send(struct arena *arena, const char *interface, unsigned count);

/*
 * Asks for messages to be lent, which an isolated service is not to have, and then sends as lent what lies in the kernel. NULL, or
 * what went wrong.
 */
const char *lie_lend(struct arena *arena);

/*
 * Sends messages of a page each to its own port, by a list that another thread spoils (forge_spoil, of LIE_SHIFTED messages),
 * and receives them at that place or elsewhere. NULL, or what went wrong: something came that nobody may send.
 */
const char *lie_shift(struct arena *arena);
#define LIE_SHIFTED 4

/* Touches what is not its own: memory, by `number` modulo those that there are. Does not come back. */
void lie_trespass(unsigned number);

#endif
