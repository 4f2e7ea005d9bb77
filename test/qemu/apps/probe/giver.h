/*
 * What the two programs that give pages share: all but the name. Each is linked by itself.
 */
#ifndef PROBE_GIVER_H
#define PROBE_GIVER_H

/* The giver's own port. */
extern const char giver_name[];

#endif
