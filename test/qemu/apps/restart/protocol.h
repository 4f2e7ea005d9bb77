/*
 * What watcher asks of phoenix, by rpc.
 */
#ifndef RESTART_PROTOCOL_H
#define RESTART_PROTOCOL_H

enum request {
    STATE = 1, /* the answer's tag: 1 when all its data was as linked at this start, 0 otherwise */
    FAULT,     /* no answer: it reads where it must not, while others of its threads run and wait */
};

#endif
