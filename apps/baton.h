/*
 * The whole service API: what a service of an appliance may ask for, and all that it sees of the kernel.
 *
 * Model (DASH 3.1 to 3.3). A service has memory of its own: data, heap, stacks; nobody else can reach it.
 * What is meant for others lies in messages: a header, up to 128 inline bytes, and pieces: of IPC pages, of books
 * of such pages (for up to 4 MiB), and of small blocks of the service's own memory. A page has one address, the same in every
 * service; it belongs to whoever owns it, and sending a message hands its pages over. They are not copied.
 *
 * Error rule, once for every call: a result >= 0 is success (a count, a handle, or 0); a result < 0 is one of
 * enum baton_error (core/abi.h) and the call has changed nothing. A call that works on several things and
 * stops half way reports the count that was done; the thing that stopped it is met again, with its error, by
 * the next call.
 *
 * Who owns a message
 *   1. A struct baton_message lies in the service's own memory. What it owns is the pages that its pieces
 *      name.
 *   2. A service owns a message that it made (init, alloc, duplicate) or received, until it sends or frees
 *      it.
 *   3. After a successful send the message belongs to the port; the struct is scrap, ready for init, alloc or
 *      receive. After a failed send it still belongs to the sender, unchanged, and so do its pages, also what a message that
 *      names a part of a page leaves out. (But for a page that ten others have come to own since: that ownership is lost.)
 *   4. With BATON_DUPLICATE a duplicate goes, and the sender keeps its own: its pages are read-only to all
 *      from then on.
 *   5. A message is used by one thread at a time. Everything else here may be called by all threads at once.
 *
 * Pages are read-only to everybody as long as they have more than one owner; the kernel stops a service that
 * touches a page that it does not own, or writes a read-only one. baton_message_write and _append know that,
 * and copy first.
 *
 * A page is mapped at the first access to it (a fault, which the service does not notice), or in receive when
 * BATON_IMMEDIATE_ACCESS asks for it. Who never touches a page pays nothing for it.
 *
 * Trust sets. Services that name the same `.trust` in the appliance's table share, with the setting unmap=path, all pages that
 * circulate between them: THIS IS SHARED MEMORY. Another member can read and change a page that this service owns or has sent, at
 * any time, also after its bytes were checked. Who is not in the set cannot.
 *
 * Costs are given as traps (one svc each) and bytes copied. The same source runs isolated (EL0) and trusted
 * (EL1).
 */
#ifndef APPS_BATON_H
#define APPS_BATON_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include "core/abi.h"

/* ---- Ports: bounded queues of messages, each with one receiving service ---- */

/*
 * The handle of a port by its name. A service finds its own ports (with the right to receive), those that a
 * wire of the appliance leads to (with the right to send), and no others: BATON_ENOENT. Handles stay good for
 * the service's life. Does not wait. One trap: look ports up at the start, not per message.
 */
int baton_port_find(const char *name);

/*
 * Sends messages in their order; returns how many the port took, from the front of the array.
 *
 * Ownership: those are the port's now, the others are still the caller's. With BATON_DUPLICATE all stay the
 * caller's, and the pieces of those that went are marked read-only.
 * Waits: until all of them fitted, at most `timeout` ns; then it returns how many went, or BATON_ETIMEOUT when
 * none did. With BATON_NO_WAIT: what fits now, or BATON_EFULL.
 * Ordering: messages of one thread arrive in the order in which they were sent. What was written to the pages
 * before the send is seen by the receiver.
 * Flags: BATON_TRUSTED, if the caller believes that the receiver trusts it (it then need not be cut off at
 * once, DASH 3.4); BATON_DUPLICATE.
 * Errors: BATON_EINVAL count not 1..64, or a message that contradicts itself, or one with books or small blocks for a NIC, whose
 * device knows pages only; BATON_EFAULT; BATON_EHANDLE;
 * BATON_ERIGHT; BATON_EOWNER a piece of a page that the caller does not own; BATON_EOWNERS and BATON_ELIMIT
 * too many owners of a page; BATON_ELIMIT also, at once, when as many messages of the service wait in ports as its row in the
 * appliance's table allows; BATON_ENOMEM no message object, or more than 32 small blocks of the
 * caller's on their way; BATON_EDEAD the receiver has stopped.
 * Cost: one trap; header, inline bytes and pieces are copied once. A page that nobody mapped costs nothing to
 * hand over; one that the caller has mapped is unmapped. A book is handed over as one page is, whatever its size, and each of its
 * pages that is mapped as a page by itself. Small blocks are copied. DASH 3.2 send().
 */
static inline int baton_send_batch(int port, struct baton_message *const *messages, unsigned count,
                                   uint64_t flags, uint64_t timeout);

/* One message; returns 1. Otherwise as baton_send_batch. */
static inline int baton_send(int port, struct baton_message *message, uint64_t flags, uint64_t timeout);

/*
 * Receives up to `count` messages into the structs that `messages` points to, in the order of their arrival;
 * returns how many, at least 1.
 *
 * Ownership: they are the caller's: each must be sent on or freed. The structs need no preparation, and must
 * not own anything (what they named would be forgotten).
 * Waits: while the port is empty, at most `timeout` ns (BATON_NO_WAIT: BATON_EEMPTY at once), then
 * BATON_ETIMEOUT. Never waits for more messages once there is one.
 * Ordering: messages of one sender arrive in its order; several threads may receive from one port, each gets
 * others.
 * Flags: BATON_IMMEDIATE_ACCESS if the pages will be touched (maps them now, saves the faults);
 * BATON_TRUST_SENDER if the caller trusts all who may send here not to write any more (saves the wait for
 * their unmap, DASH 3.4). Without it, what is read does not change any more. BATON_BLOCK_ROOM if each struct is the first member
 * of a struct baton_message_room: small blocks are copied to there. Without it, or when they are more than fit, each goes to a
 * fresh page, as if it had been sent in one; when there is none the message is dropped, and BATON_ENOMEM or BATON_ELIMIT
 * returned unless others were received.
 * BATON_LEND: a trusted service may be shown messages where they lie in the kernel, which copies nothing then: it writes that place
 * into `messages`, for those at the front of the batch (all others lie where the list said). They are the caller's like any others,
 * to be read, changed, sent on and freed, by the thread that received them, until it receives with this flag again; and what was sent
 * must not be touched any more. So set the list anew before each such call. In an isolated service the flag does nothing.
 * Errors: BATON_EINVAL count not 1..64; BATON_EFAULT; BATON_EHANDLE; BATON_ERIGHT; BATON_ELIMIT when the
 * service owns as many pages as its row in the appliance's table allows (the messages stay queued; the last batch
 * before that may take it beyond the limit).
 * Cost: one trap; header, inline bytes and pieces are copied once, if they are not lent. DASH 3.2 receive().
 */
int baton_receive_batch(int port, struct baton_message *const *messages, unsigned count, uint64_t flags,
                        uint64_t timeout);

/* What to receive into with BATON_BLOCK_ROOM: small blocks of the message lie behind it until it is used again. */
struct baton_message_room {
    struct baton_message message;
    uint8_t room[BATON_BLOCK_BYTES];
};

/* One message; returns 1. Otherwise as baton_receive_batch. */
static inline int baton_receive(int port, struct baton_message *message, uint64_t flags, uint64_t timeout);

/*
 * Sends `request` and waits for the reply to it; returns 0. `reply` may be the same struct as `request`.
 *
 * Ownership: after success the request is the receiver's and the reply the caller's. After BATON_ETIMEOUT (no
 * reply in time) and BATON_EDEAD (the receiver has stopped) the request is gone as well: it was handed over.
 * After every other error it is still the caller's; BATON_EFULL says that the port had no place for it in
 * time, or that as many messages of the service wait in ports as it may have there. One exception: BATON_ELIMIT or BATON_EOWNERS for a reply that the caller could not own drops both.
 * Waits: at most `timeout` ns in all.
 * Flags: those of send without BATON_DUPLICATE, and of receive, for the reply.
 * Cost: one trap; when the receiver waits on the same CPU the core goes straight to it and back. DASH 3.2.
 */
int baton_rpc(int port, struct baton_message *request, struct baton_message *reply, uint64_t flags,
              uint64_t timeout);

/*
 * Answers the request that came with `token` (message.reply of what was received); returns 0.
 *
 * Ownership: after success the message is the caller's of rpc, or in the reply port of baton_request; after a failure
 * still the replier's. A token is good once, in the service that received it, while the caller waits: else BATON_EOWNER.
 * Does not wait. Only when the request came by baton_request: BATON_EFULL, the reply port has no place, and the token is
 * good for another try; BATON_EDEAD, who asked has stopped.
 * Flags: BATON_TRUSTED.
 * Cost: one trap.
 */
int baton_reply(uint64_t token, struct baton_message *message, uint64_t flags);

/*
 * An rpc that does not wait for its answer: sends `request` and returns 0; the answer arrives in `reply_port`, a port of
 * the caller's own, among whatever else is sent there. It carries the request's tag, whatever the replier's was, and its
 * source is BATON_SOURCE_ANSWER + the row of who answered. When that service stops, or its port closes, before it has
 * answered, an empty message comes instead, with the tag and BATON_SOURCE_DEAD + the row.
 *
 * Who receives it sees no difference to baton_rpc.
 * Ownership: after success the request is the receiver's; after an error still the caller's.
 * Waits: for a place in `port`, at most `timeout` ns, as baton_send.
 * Limits: as many requests may be unanswered as `reply_port` has places, else BATON_ELIMIT. A notice of death for which
 * the reply port has no place is lost; in a port to which nobody else sends there is always one.
 * Flags: BATON_TRUSTED.
 * Errors: those of baton_send; BATON_ERIGHT also when `reply_port` is not the caller's own; BATON_EINVAL also for a
 * request to a NIC, which answers nothing.
 * Cost: one trap here, one for the answer. DASH 3.2.
 */
int baton_request(int port, struct baton_message *request, int reply_port, uint64_t flags, uint64_t timeout);

/*
 * Forgets all requests with that reply port and tag; returns how many there were. Their answers, if some come, are
 * refused (BATON_EOWNER); one that is in the port already stays there. For who has waited long enough. One trap.
 */
int baton_request_cancel(int reply_port, uint64_t tag);

/*
 * baton_reply and baton_receive in one: answers the request that came with `token` by `message`, and waits at `port`, as
 * baton_receive does, for the next message, which it puts into the same struct. Returns 1. What a server of calls lives by.
 *
 * Ownership: BATON_ETIMEOUT, BATON_EEMPTY and BATON_EDEAD: the answer is given, and nothing came. After every other error
 * nothing has been done (BATON_EOWNER: the token is no good, or whoever asked is dead).
 * Flags: BATON_TRUSTED for the answer; those of receive.
 * Cost: one trap; a caller and a server on one CPU go straight to each other and back.
 */
int baton_reply_receive(int port, struct baton_message *message, uint64_t token, uint64_t flags,
                        uint64_t timeout);

/* ---- Messages. Nothing here traps unless it says so. ---- */

/* Bytes in the message. */
static inline uint32_t baton_message_length(const struct baton_message *message)
{
    return message->length;
}

/*
 * Makes an empty message that owns nothing. `headroom` (at most 128) inline bytes are kept free in front, for
 * headers to be prepended; appended data goes behind them. type and tag are 0.
 */
static inline void baton_message_init(struct baton_message *message, unsigned headroom)
{
    message->length = 0;
    message->inline_offset = headroom <= BATON_INLINE_BYTES ? headroom : BATON_INLINE_BYTES;
    message->inline_length = 0;
    message->pieces = 0;
    message->flags = 0;
    message->type = 0;
    message->source = 0;
    message->reply = 0;
    message->tag = 0;
}

/*
 * Makes a message of `length` zero bytes (at most 4 MiB) behind `headroom` free ones; returns 0. The bytes
 * are inline if headroom and they fit in 128, else all in fresh pages; more than 16 of those in books.
 * Errors: BATON_EINVAL, BATON_ENOMEM, BATON_ELIMIT.
 * Cost: one trap when pages are needed, for up to 2 MiB; three for 4 MiB. DASH 3.2 allocation.
 */
int baton_message_alloc(struct baton_message *message, unsigned headroom, uint32_t length);

/*
 * Gives up what the message owns; it is empty afterwards, and freeing it again does nothing. Returns 0;
 * BATON_EOWNER if it named a page that the service did not own: that one was skipped.
 * Cost: one trap when it has pieces. DASH 3.2.
 */
int baton_message_free(struct baton_message *message);

/* The same for many: one trap for every 64 pages, or books, of theirs together. */
int baton_message_free_batch(struct baton_message *const *messages, unsigned count);

/*
 * Adds a copy of `length` bytes at the end; returns 0. Inline while there are no pieces and it fits, else
 * into the room that the last page has (when it may be written), then into fresh pages. When the 16 pieces do not
 * suffice, pages are bound to books.
 * Errors, the bytes of the message being as before: BATON_EINVAL more than 4 MiB in all, BATON_ENOMEM, BATON_ELIMIT more pieces
 * than 16 and 3 books hold (at least 1040 pages).
 * Cost: the bytes, copied once; a trap when it needs pages, more when it binds pages; bound pages that were shared are copied.
 */
int baton_message_append(struct baton_message *message, const void *data, uint32_t length);

/*
 * Adds `length` bytes of a page, from `offset`, at the end without copying; returns 0. One ownership of the
 * page, which the caller must have, goes into the message. Several pieces may be of one page, each with an ownership of its own;
 * then the page is read-only, and `offset` must carry BATON_PIECE_READ_ONLY unless this message has all of them.
 * When there are 16 pieces already some are bound to a book, as in baton_message_append.
 * Errors, the bytes of the message being as before: BATON_EINVAL, not within the page, or more than 4 MiB in all; BATON_ENOMEM;
 * BATON_ELIMIT; a page that the caller does not own may be found out here (BATON_EOWNER) or by send.
 */
int baton_message_append_page(struct baton_message *message, uint32_t page, unsigned offset, unsigned length);

/*
 * Adds `length` bytes (1 to 1024) of the caller's own memory at the end, by pointing to them: a small block, for data too
 * long to be inline and too short for a page; returns 0. The kernel copies them when the message is sent, and until then they must
 * stay as they are. Free leaves them alone; duplicate copies them to a page. BATON_EINVAL; BATON_ELIMIT as append_page.
 * Cost: nothing now; the bytes once at send, and once at receive. DASH 3.2.
 */
int baton_message_append_block(struct baton_message *message, const void *data, uint32_t length);

/*
 * Puts a copy of `length` bytes (at most 128) in front; returns 0. Into the headroom when it suffices; else
 * the inline data moves up; and if the inline data would be more than 128 bytes, what it held spills into a
 * fresh page first. Errors as baton_message_append.
 * Cost: the bytes; the inline data copied once more when it must move; one trap when it spills.
 */
int baton_message_prepend(struct baton_message *message, const void *data, uint32_t length);

/*
 * Takes `length` bytes away at the front or the end; returns 0. Pages that are left out of the message are
 * released (one trap for all). The bytes become headroom, or room to append. BATON_EINVAL: it has not so
 * many. Only a book that is cut in two can fail otherwise, the message being as before: BATON_ENOMEM, BATON_ELIMIT when it is
 * shared; what remains of it is copied then. Cost of a cut: one trap.
 */
int baton_message_trim_front(struct baton_message *message, uint32_t length);
int baton_message_trim_back(struct baton_message *message, uint32_t length);

/*
 * Makes `copy` a second message with the same bytes, type and tag, on the same pages, which are read-only
 * from now on; returns 0. The token of an rpc stays with the first one. Duplicates may be duplicated again.
 * Errors: BATON_EOWNER, BATON_ELIMIT, and with small blocks BATON_ENOMEM; `copy` is scrap then.
 * Cost: the inline bytes and small blocks; one trap when there are pieces. DASH 3.2, 3.3 duplicate_ownership.
 */
int baton_message_duplicate(struct baton_message *copy, struct baton_message *message);

/*
 * Copies `length` bytes from `offset` of the message to `data`; returns 0. BATON_EINVAL: they are not all
 * there.
 * Cost: the bytes; a fault for each page touched the first time.
 */
int baton_message_read(const struct baton_message *message, uint32_t offset, void *data, uint32_t length);

/*
 * Overwrites `length` bytes from `offset`; returns 0. A message can always be written: a read-only piece is
 * first moved to a fresh page, here in the library, without a fault (DASH 3.3, 4.1), and the old page is
 * released. A read-only book moves as a whole. A small block is written where it lies.
 * Errors, nothing being written: BATON_EINVAL, BATON_ENOMEM, BATON_ELIMIT.
 * Cost: the bytes; for read-only pieces two traps in all and the bytes of those pieces.
 */
int baton_message_write(struct baton_message *message, uint32_t offset, const void *data, uint32_t length);

/*
 * Where the byte at `offset` lies, to be read in place: at the address returned, `contiguous` bytes that
 * belong to the message (at least 1). NULL when the message is not that long. Good until the message is
 * changed, sent or freed. Copies nothing; a page is mapped when the caller reads.
 */
const void *baton_message_peek(const struct baton_message *message, uint32_t offset, uint32_t *contiguous);

/* ---- IPC pages by themselves (DASH 3.3). Who only uses messages needs none of these. ---- */

/*
 * get_ownership: up to `count` (at most 64) fresh pages that read as zero; returns how many. Each is owned
 * once, for reading and writing. BATON_ENOMEM: none is free; BATON_ELIMIT: the service owns as many as it
 * may. One trap.
 */
int baton_page_get(uint32_t *pages, unsigned count);

/* duplicate_ownership: one more ownership of each page. Returns how many; BATON_EOWNER, BATON_ELIMIT. One trap. */
int baton_page_duplicate(const uint32_t *pages, unsigned count);

/*
 * release_ownership: gives one up of each. Returns how many; BATON_EOWNER. With the last one the page must
 * not be touched any more. One trap.
 */
int baton_page_release(const uint32_t *pages, unsigned count);

/* Where the IPC region begins, in every space (core/layout.h). Tests on a host have another place for it. */
#ifndef BATON_IPC_REGION
#define BATON_IPC_REGION UINT64_C(0x4000000000)
#endif

/* Where a page is: the same address in every service. Reading a number proves nothing: see who owns it. */
static inline void *baton_page_address(uint32_t page)
{
    return (void *)(uintptr_t)(BATON_IPC_REGION + (uint64_t)page * BATON_PAGE_BYTES);
}

/* ---- Books (see struct baton_book in core/abi.h). Messages make and use them without asking. ---- */

/*
 * A book of fresh pages for `bytes` bytes (0 to 511 pages), which read as zero; returns its number, >= 0. It is a page of its own that
 * the caller owns, for reading: baton_page_duplicate and baton_page_release are for books too, and a message gets one as a
 * piece {book, BATON_PIECE_BOOK, count}. Counts as 1 + its pages against the caller's limit. BATON_EINVAL, BATON_ENOMEM,
 * BATON_ELIMIT. One trap.
 */
int baton_book_get(uint32_t bytes);

/*
 * Binds up to 64 pieces, each of a page that the caller owns once and nobody else does, at the end of a book of which it is the only
 * owner: whoever owns the book owns them from now on. Returns how many, from the front. Errors of the first one: BATON_EINVAL not
 * within the page, or it is a book; BATON_EOWNER the caller does not own the page or the book, or the page is bound already;
 * BATON_EOWNERS one of them has more than one owner; BATON_ELIMIT the book is full. One trap.
 */
int baton_book_bind(uint32_t book, const struct baton_piece *pieces, unsigned count);

/*
 * Takes up to 64 pieces off the end of a book of which the caller is the only owner: their pages are the caller's, each once.
 * Returns how many; `pieces` in the order of the list. BATON_EOWNER, BATON_EOWNERS, BATON_EINVAL. One trap.
 */
int baton_book_unbind(uint32_t book, struct baton_piece *pieces, unsigned count);

/*
 * Takes bytes off the front and the end of a book of which the caller is the only owner; returns 0. Pages of which none are left are
 * released. BATON_EINVAL: it has not so many. BATON_EOWNER, BATON_EOWNERS. One trap.
 */
int baton_book_trim(uint32_t book, uint32_t front, uint32_t back);

/* The list of a book that the caller owns: the kernel's word on what is in it. */
static inline const struct baton_book *baton_book_list(uint32_t book)
{
    return (const struct baton_book *)baton_page_address(book);
}

/* Where this service's own memory begins (core/layout.h). Tests on a host have another place for it. */
#ifndef BATON_SLOT_START
#define BATON_SLOT_START ((uintptr_t)&baton_slot_anchor & ~(BATON_SLOT_BYTES - 1))
#endif
#define BATON_SLOT_BYTES UINT64_C(0x10000000)
extern const char baton_slot_anchor;

/* Where a small block lies. */
static inline void *baton_block_address(const struct baton_piece *piece)
{
    return (void *)(uintptr_t)(BATON_SLOT_START + piece->page);
}

/* Where a piece begins that is neither a book nor a small block. */
static inline void *baton_piece_address(const struct baton_piece *piece)
{
    return (char *)baton_page_address(piece->page) + (piece->offset & BATON_PIECE_OFFSET_MASK);
}

/* ---- Threads and time ---- */

/*
 * Starts a thread of this service on a CPU, with a stack and thread-local data of its own; it ends when `entry`
 * returns. Returns its number. BATON_EINVAL: there is no such CPU, or `entry` is no code of the service;
 * BATON_ELIMIT: the service has as many threads as its row allows. One trap.
 */
int baton_thread_start(void (*entry)(void *argument), void *argument, unsigned cpu);

/*
 * The calling thread goes on on that CPU, behind those that are waiting to run there; 0 when it does. BATON_EINVAL: there
 * is no such CPU. Nothing else changes: what it owns, its stack, thread-local data and floating-point registers go with
 * it. One trap, and a switch of threads on both CPUs.
 */
int baton_thread_move(unsigned cpu);

/* Lets other threads of this CPU run first, if any wants to. One trap. */
int baton_yield(void);

/* Waits `ns` nanoseconds at least; returns 0. One trap. */
int baton_sleep(uint64_t ns);

/* Ends the calling thread; the service ends with its last one, and gives back all it owns. exit() does the same. */
__attribute__((noreturn)) void baton_exit(void);

/* Nanoseconds since some moment before the boot; never goes back within a thread. No trap. */
uint64_t baton_time_ns(void);

/*
 * Cycles of the CPU that this runs on, since some moment; threads that may be moved compare only what they read on one CPU.
 * 0 without the setting cycles=on, and where the CPU counts none. No trap, but for the first call.
 */
uint64_t baton_cycles(void);

/* ---- What the operator gives and sees ---- */

/*
 * Prints a line on the console, "NAME: " in front, '\n' behind; returns 0. Longer than 200 bytes: cut. One
 * trap. printf does the same with every line that is complete (each thread has a line of its own).
 */
__attribute__((format(printf, 1, 2))) int baton_log(const char *format, ...);

/*
 * The value of a boot setting (name=value) as a string with a 0 at the end; returns its length. BATON_ENOENT:
 * not given; BATON_EINVAL: does not fit. One trap. "net0.mac" and so on are always there: the address of the
 * interface, as in 52:54:00:00:00:01 (zeros when the device has none).
 */
int baton_setting(const char *name, char *value, unsigned size);

/*
 * The same as a decimal number from `least` to `most`; returns 0. *value is left as it is when the setting is
 * not given. BATON_EINVAL: given, but no such number; the console has been told what was expected, and the
 * caller should give up.
 */
int baton_setting_number(const char *name, uint64_t least, uint64_t most, uint64_t *value);

/*
 * The configuration file that came with the image (QEMU: -initrd, ./baton: --config), or NULL and 0. Read-only, there for
 * the life of the service; not ended by a 0. No trap.
 */
const char *baton_config(size_t *size);

/*
 * A new counter by that name ([a-z0-9_], up to 23), published with the service's statistics; `interface` >=
 * 0: among the drops of that NIC. Returns where to count, with plain stores by one thread at a time. Counters
 * are made at the start and live as long as the service; NULL when there are BATON_COUNTERS already. One
 * trap. Two are there from the start and kept by this library: payload_bytes and inline_bytes, what it copied
 * to, from and between pages, and of inline data. Who moves such bytes by hand adds them with
 * baton_count_copied.
 */
uint64_t *baton_counter(const char *name, int interface);
void baton_count_copied(uint64_t payload_bytes, uint64_t inline_bytes);

/*
 * What assert and abort do: stops the whole service with a report of where. It is a fault, as a violation is, a watchdog
 * that found the service hung, and the console's `kill`; what follows is the policy of its row in the appliance's table
 * (enum baton_policy): it stays stopped, or starts again with its data as linked and its ports kept, always or so many times
 * in so many seconds.
 */
__attribute__((noreturn)) void abort(void);

/* ---- The rest is how the inline functions above are made ---- */

/* The trap as it is: see baton_send_batch. */
int baton_call_send(int port, struct baton_message *const *messages, unsigned count, uint64_t flags,
                    uint64_t timeout);

/* One message, without a list of them: see baton_send and baton_receive. */
int baton_call_send_one(int port, struct baton_message *message, uint64_t zero, uint64_t flags,
                        uint64_t timeout);
int baton_call_receive_one(int port, struct baton_message *message, uint64_t zero, uint64_t flags,
                           uint64_t timeout);

/* The pieces of messages of which duplicates went: their pages have more than one owner now. */
void baton_message_mark_shared(struct baton_message *const *messages, unsigned count);

static inline int baton_send_batch(int port, struct baton_message *const *messages, unsigned count,
                                   uint64_t flags, uint64_t timeout)
{
    int sent = baton_call_send(port, messages, count, flags, timeout);
    if ((flags & BATON_DUPLICATE) && sent > 0)
        baton_message_mark_shared(messages, (unsigned)sent);
    return sent;
}

static inline int baton_send(int port, struct baton_message *message, uint64_t flags, uint64_t timeout)
{
    int sent = baton_call_send_one(port, message, 0, flags, timeout);
    if ((flags & BATON_DUPLICATE) && sent > 0)
        baton_message_mark_shared(&message, 1);
    return sent;
}

static inline int baton_receive(int port, struct baton_message *message, uint64_t flags, uint64_t timeout)
{
    return baton_call_receive_one(port, message, 0, flags, timeout);
}

#endif
