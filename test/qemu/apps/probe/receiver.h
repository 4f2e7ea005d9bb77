/*
 * What the programs of the receivers share: all but the name. taker, insider and middle are linked one by one.
 */
#ifndef PROBE_RECEIVER_H
#define PROBE_RECEIVER_H

/* The receiver's own port. */
extern const char receiver_name[];

#endif
