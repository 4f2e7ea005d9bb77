/*
 * What rogue asks of keeper.
 */
#ifndef VIOLATION_PROTOCOL_H
#define VIOLATION_PROTOCOL_H

enum request {
    WHERE = 1, /* rpc: the answer's tag is the address of keeper's secret */
    HOLD,      /* keep this message; it is filled with FILLING */
};

#define SECRET  UINT64_C(0x5ec7e75ec7e75ec7)
#define FILLING 0x5a

#endif
