/*
 * What crosses the boundary between a service and the kernel: system call numbers, errors, flags, the layout
 * of a message, and the tables by which an appliance is described. Services see it through apps/baton.h.
 *
 * Owns: nothing; these are types and numbers only.
 *
 * Error rule, once for every call: a result >= 0 is success (a count, a handle or 0); a result < 0 is one of
 * enum baton_error and the call has changed nothing. A batch that stops half way reports the count that was
 * done; the item that stopped it is met again, with its error, by the next call.
 */
#ifndef CORE_ABI_H
#define CORE_ABI_H

#include <stdint.h>

enum baton_error {
    BATON_EINVAL = -1,   /* an argument is out of range, misaligned, or a message contradicts itself */
    BATON_EFAULT = -2,   /* an address does not lie in the caller's own data, heap or stack */
    BATON_EHANDLE = -3,  /* no such port handle */
    BATON_ERIGHT = -4,   /* the handle lacks the right (send or receive) that the call needs */
    BATON_EOWNER = -5,   /* the caller does not own that page, or the reply token is not its to use */
    BATON_EFULL = -6,    /* the port's queue is full and the caller would not wait */
    BATON_EEMPTY = -7,   /* the port's queue is empty and the caller would not wait */
    BATON_ETIMEOUT = -8, /* the time given ran out */
    BATON_EDEAD = -9,    /* the service at the other end has stopped */
    BATON_ENOMEM = -10,  /* no free page or message object */
    BATON_ELIMIT = -11,  /* the caller's own limit (pages, messages in ports, threads) is reached */
    BATON_ENOENT = -12,  /* no port or setting of that name */
    BATON_ENOSYS = -13,  /* no such system call */
    BATON_EOWNERS = -14, /* the page has as many owners as its table entry can hold */
};

/* System calls: number in x8, arguments in x0..x5, result in x0. apps/baton.h documents what each does. */
enum baton_call {
    BATON_CALL_SEND,           /* port, message pointers, count, flags, timeout */
    BATON_CALL_RECEIVE,        /* port, message pointers, count, flags, timeout */
    BATON_CALL_RPC,            /* port, request, reply, flags, timeout */
    BATON_CALL_REPLY,          /* token, message, flags */
    BATON_CALL_PAGE_GET,       /* page numbers out, count */
    BATON_CALL_PAGE_DUPLICATE, /* page numbers, count */
    BATON_CALL_PAGE_RELEASE,   /* page numbers, count */
    BATON_CALL_PORT_FIND,      /* name, length */
    BATON_CALL_THREAD_START,   /* entry, argument, cpu */
    BATON_CALL_YIELD,
    BATON_CALL_SLEEP,          /* nanoseconds */
    BATON_CALL_EXIT,           /* the calling thread ends; the last one ends the service */
    BATON_CALL_LOG,            /* text, length */
    BATON_CALL_COUNTERS,       /* table, count */
    BATON_CALL_SETTING,        /* name, length, value out, size */
    BATON_CALL_THREAD_MOVE,    /* cpu */
    BATON_CALL_REQUEST,        /* port, request, reply port, flags, timeout */
    BATON_CALL_REQUEST_CANCEL, /* reply port, tag */
    BATON_CALL_BOOK_GET,       /* bytes */
    BATON_CALL_BOOK_BIND,      /* book, pieces, count */
    BATON_CALL_BOOK_UNBIND,    /* book, pieces out, count */
    BATON_CALL_BOOK_TRIM,      /* book, bytes off the front, bytes off the end */
    BATON_CALL_SEND_ONE,       /* port, message, 0, flags, timeout: one message without a list of them */
    BATON_CALL_RECEIVE_ONE,    /* port, message, 0, flags, timeout */
    BATON_CALL_REPLY_RECEIVE,  /* port, message, token, flags, timeout */
    BATON_CALL_COUNT
};

/* Timeouts are nanoseconds from now. */
#define BATON_NO_WAIT UINT64_C(0)
#define BATON_FOREVER UINT64_MAX

/* Flags of send (DASH 3.2) */
#define BATON_TRUSTED (UINT64_C(1) << 0) /* the sender believes that the receiver trusts it */
#define BATON_DUPLICATE                                                                                      \
    (UINT64_C(1) << 1) /* a duplicate goes; the message stays with the sender (see baton.h) */
/* Flags of receive (DASH 3.2) */
#define BATON_IMMEDIATE_ACCESS (UINT64_C(1) << 2) /* map the message's pages now, not at the first access */
#define BATON_TRUST_SENDER     (UINT64_C(1) << 3) /* need not wait until the sender has been unmapped */
#define BATON_BLOCK_ROOM       (UINT64_C(1) << 4) /* BATON_BLOCK_BYTES of room lie behind each message's struct */

#define BATON_LEND (UINT64_C(1) << 5) /* see baton_receive_batch: messages may stay where they lie */

#define BATON_BATCH        64  /* messages that one send or receive moves at most */
#define BATON_INLINE_BYTES 128 /* data that travels in the message itself */
#define BATON_PIECES       16  /* descriptors in one message */
#define BATON_PAGE_BYTES   4096
#define BATON_BLOCK_BYTES  1024 /* of one small block, and of the room for them */
#define BATON_BOOKS        3    /* books in one message */
#define BATON_MESSAGE_MAX  (4u * 1024 * 1024 + BATON_INLINE_BYTES) /* bytes of a message */

/*
 * One piece of a message (DASH 3.2: a descriptor). Without a flag: `length` bytes from `offset` in IPC page `page`.
 * With BATON_PIECE_BOOK: all pages of a book. With BATON_PIECE_BLOCK: `length` bytes of the service's own memory.
 */
struct baton_piece {
    uint32_t page;   /* number of the page in the IPC region; of a block: the low 28 bits of its address */
    uint16_t offset; /* offset in the page (12 bits; 0 for a book and a block), and the flags below */
    uint16_t length; /* 1..4096, offset + length <= 4096; of a book: its descriptors; of a block: 1..1024 */
};
#define BATON_PIECE_READ_ONLY   0x8000 /* the page has more than one owner: write() must copy it first */
#define BATON_PIECE_BOOK        0x4000 /* `page` is a book: its pages, in their order, are the bytes here */
#define BATON_PIECE_BLOCK       0x2000 /* a small block: the kernel copies it at send and at receive */
#define BATON_PIECE_OFFSET_MASK 0x0fff

/*
 * A book is an IPC page that lists other pages, which are bound to it: who owns the book owns them, and a hand-over
 * of the book hands all of them over at once. Only the kernel writes this list, so whoever owns the book can believe
 * it; to services it is read-only.
 */
#define BATON_BOOK_PIECES 511
struct baton_book {
    uint32_t bytes;                              /* sum of the lengths */
    uint32_t count;                              /* descriptors in use */
    struct baton_piece piece[BATON_BOOK_PIECES]; /* of pages, without flags */
};
_Static_assert(sizeof(struct baton_book) == BATON_PAGE_BYTES, "the list is one page");

/*
 * A message (DASH 3.2): header, inline data, descriptors. Its bytes are the inline data followed by the pieces in
 * order. The kernel copies the header words, the inline bytes in use and the pieces in use, and nothing else.
 */
struct baton_message {
    uint32_t length;       /* all bytes: inline_length and every piece */
    uint8_t inline_offset; /* where the inline data begins in data[] */
    uint8_t inline_length; /* inline_offset + inline_length <= BATON_INLINE_BYTES */
    uint8_t pieces;        /* descriptors in use */
    uint8_t flags;         /* none defined: must be 0 */
    uint32_t type;         /* for the services' own use; carried unchanged */
    uint32_t
        source; /* set on receive: by which wire, or as whose answer, it came (BATON_SOURCE_SERVICE and behind);
                        cannot be forged */
    uint64_t reply; /* set on receive: token for reply(), 0 when the sender waits for none */
    uint64_t tag;   /* for the services' own use; carried unchanged */
    uint8_t data[BATON_INLINE_BYTES];
    struct baton_piece piece[BATON_PIECES];
};
#define BATON_HEADER_BYTES 32
_Static_assert(sizeof(struct baton_piece) == 8, "a descriptor is one load");
_Static_assert(sizeof(struct baton_message) == BATON_HEADER_BYTES + BATON_INLINE_BYTES + 8 * BATON_PIECES,
               "no holes");
_Static_assert(__builtin_offsetof(struct baton_message, data) == BATON_HEADER_BYTES, "four words of header");

/* A counter that a service publishes; the kernel reads it whenever statistics are printed. */
#define BATON_COUNTER_NAME 24
#define BATON_COUNTERS     64
struct baton_counter {
    char name[BATON_COUNTER_NAME]; /* [a-z0-9_]+; "payload_bytes" and "inline_bytes" add to `copied` */
    int64_t interface;             /* >= 0: shown among the drops of that NIC; -1: shown with the service */
    uint64_t value;
};

/*
 * What passed at a point of the appliance, for an observer (ipc/capture.h): the header of one or two frames to the
 * capture interface, followed by at most 64 inline bytes of the frame observed and, in the second, its pages. Little-endian.
 */
struct baton_capture {
    uint8_t address[12]; /* destination and source */
    uint8_t type[2];     /* BATON_CAPTURE_TYPE, big-endian */
    uint8_t kind;        /* enum baton_capture_kind */
    uint8_t point;       /* 2 * interface in, 2 * interface + 1 out, or BATON_CAPTURE_DROPS */
    uint64_t time;       /* nanoseconds since some moment before the boot */
    uint32_t length;     /* of the frame, when it passed */
    uint32_t sequence;   /* of the sender's records: the two frames of one have the same */
    uint32_t missed;     /* records that this sender could not send, ever */
    uint16_t sender;     /* a CPU for the kernel; BATON_CAPTURE_SERVICE and the slot of a service */
    uint8_t interface;   /* of a drop: where it is counted */
    uint8_t reserved;
    char reason[BATON_COUNTER_NAME]; /* of a drop: its counter's name; else empty */
};
enum baton_capture_kind {
    BATON_CAPTURE_WHOLE,
    BATON_CAPTURE_FIRST,
    BATON_CAPTURE_SECOND
};
#define BATON_CAPTURE_TYPE    0x88b5 /* IEEE 802: for local experiments */
#define BATON_CAPTURE_DROPS   255
#define BATON_CAPTURE_SERVICE 256
#define BATON_CAPTURE_INLINE  64
#define BATON_CAPTURE_PORT    "capture"
_Static_assert(sizeof(struct baton_capture) + BATON_CAPTURE_INLINE == BATON_INLINE_BYTES,
               "all of it is inline");

/* What a service's start code is given in x0. */
struct baton_start {
    uint64_t thread;     /* 0 for the first thread */
    uint64_t entry;      /* what thread_start named; 0 for the first thread, which runs main() */
    uint64_t argument;   /* of thread_start */
    uint64_t tls;        /* base of this thread's block: 16-byte TCB, then room for .tdata and .tbss */
    uint64_t heap_start; /* the service's heap */
    uint64_t heap_end;
    uint64_t config; /* the configuration file that came with the image, read-only; 0 when there was none */
    uint64_t config_size; /* bytes */
};

/* ---- The appliance's tables: const data of the image, written in apps/<appliance>/appliance.c ---- */

enum baton_placement {
    BATON_ISOLATED,
    BATON_TRUSTED_SERVICE,
    BATON_ISOLATED_ALWAYS /* the boot setting `placement`, which is for all others, changes nothing: nobody is to trust it */
};
/*
 * What happens to a service after a fault: a violation, a watchdog that found it hung, the console's `kill`. A service that
 * ends by itself or by the console's `stop` stays stopped, whatever its policy; `start` begins a new life of any.
 */
enum baton_policy {
    BATON_STOP, /* never starts again */
    BATON_RESTART, /* always, but for 100 lives of less than a second in a row: that one does nothing but fault */
    BATON_RESTART_WITHIN /* at most `restarts` times in any `restart_seconds`; then it is given up */
};

struct baton_service {
    const char *name;    /* also the name of its own port */
    const char *program; /* name of a program linked into the image */
    enum baton_placement placement;
    enum baton_policy on_fault;
    uint8_t
        threads; /* threads it may have at most, 1..BATON_THREADS; those of further lanes are not among them */
    uint8_t cpu;    /* where its first thread runs, modulo the CPUs there are */
    uint16_t queue; /* messages that its port holds, a power of two */
    uint32_t heap;  /* bytes */
    uint32_t pages; /* IPC pages that it may own at once */

    /* What follows may be left out: 0 is no limit, no watchdog. */
    uint8_t restarts;         /* BATON_RESTART_WITHIN: 1..BATON_RESTARTS_MAX */
    uint8_t cpu_share;        /* percent of each CPU that it gets while others want it: see ipc/share.h */
    uint16_t restart_seconds; /* BATON_RESTART_WITHIN: 1.. */
    uint32_t
        messages; /* messages of its own that may wait in ports at once: BATON_ELIMIT for who sends more */
    uint32_t watchdog; /* ms: messages wait for it and it has received none for that long: a fault */
    /*
     * Its trust set: services that give the same name here form one; NULL: none. All members must trust each other fully: with
     * the setting unmap=path the pages that circulate inside the set are memory that they share. Any member can read and change
     * what another owns or has sent, at any time.
     */
    const char *trust;
    /*
     * The name of the boot setting that says how many lanes it has, 1..BATON_THREADS; NULL: one. Lane 0 is its own port; lane 1 is
     * a port "NAME.1", and so on. A wire to the service leads to all of them. Interfaces spread what they receive over the lanes
     * by flow, so that each flow stays in order on one of them; all other senders choose. The service may have a thread more for
     * each further lane, and starts them itself. Without the setting: one (docs/cores.md says why).
     */
    const char *lanes;
};
#define BATON_THREADS      8
#define BATON_RESTARTS_MAX 16

/*
 * A wire gives `from` the right to send to the port `to`. "net*" stands for each network interface. A port is named
 * after its service ("forward") or is a further one of it ("forward.control"). The receiver learns the wire from
 * message.source: the number of the interface, or BATON_SOURCE_SERVICE + the row of the service in the table.
 */
struct baton_wire {
    const char *from;
    const char *to;
};
#define BATON_SOURCE_SERVICE 256u
/*
 * What came by a reply port: BATON_SOURCE_ANSWER + the row of who answered; or BATON_SOURCE_DEAD + the row of who stopped
 * before it did. Both carry the request's tag; the second is empty.
 */
#define BATON_SOURCE_ANSWER 512u
#define BATON_SOURCE_DEAD   768u

struct baton_appliance {
    const char *name;
    const struct baton_service *services;
    uint32_t service_count;
    const struct baton_wire *wires;
    uint32_t wire_count;
};

#endif
