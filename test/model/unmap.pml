/*
 * models: unmap_page unmap_flush_gathered tell_synchronous table_switch bitmaps_clear table_forget live_end
 *
 * CPU A takes a page away from a table, synchronously, while CPU B switches to that table, away from it (dropping its TLB, as
 * after a roll-over of the ASIDs, or because no thread of the table is left there), and back. A's invalidation reaches B only if A finds B in the table's bitmap (space 1). A
 * walker fetches the entry into B's TLB at any moment while the table is live there and the entry is seen to be valid.
 * Checked: once A's unmap has returned, B cannot use the old translation (page 3, 4), now or after any further switch.
 *
 * Mutants, each to be refuted:
 *   NO_SWITCH_BARRIER   B's walker runs before B's bit in the bitmap is seen
 *   SWITCH_FIRST        TTBR0 is written before the bit is set
 *   NO_ENTRY_BARRIER    A reads the bitmap before its change of the entry is seen (no DSB ISHST)
 *   BITMAP_FIRST        A reads the bitmap, then changes the entry
 *   CLEAR_LIVE_BIT      B's bit is cleared by the flush although the table is still in TTBR0
 *   FORGET_BIT_FIRST    B leaves the bitmap, then drops what it has cached
 *   FORGET_LIVE         B drops what it has cached while the table is still in TTBR0
 */
#define A 0
#define B 1
#define PROCESSES 2
#define VARIABLES 2
#define ENTRY  0 /* 1: valid */
#define BITMAP 1 /* 1: B is in it */
#include "memory.pml"

bool live, cached; /* B: the table is in TTBR0; its TLB holds the entry under the table's ASID */
bool unmapped;     /* A's call has returned */

proctype walker()
{
end:
    do
    :: atomic { live && memory[ENTRY] && !cached -> cached = true }
    od
}

proctype unmapper()
{
    byte holders;

#ifdef BITMAP_FIRST
    load(A, BITMAP, holders);
#endif
    store(A, ENTRY, 0);
#ifndef NO_ENTRY_BARRIER
    fence(A); /* unmap_flush_gathered: DSB ISHST */
#endif
#ifndef BITMAP_FIRST
    load(A, BITMAP, holders);
#endif
    if
    :: holders -> cached = false /* TLBI VAE1IS, DSB ISH */
    :: else
    fi;
    fence(A);
    holders = 0;
    unmapped = true
}

inline table_switch_in()
{
#ifdef SWITCH_FIRST
    live = true;
#endif
    load(B, BITMAP, holder);
    if
    :: !holder ->
        store(B, BITMAP, 1);
#ifndef NO_SWITCH_BARRIER
        fence(B)
#endif
    :: else
    fi;
    holder = 0;
    live = true
}

/* Service code on B uses a translation that A has taken away. */
proctype violation()
{
end:
    atomic { live && cached && unmapped -> assert(false) }
}

/* Another table, from within asid_settle: the TLB is dropped, the bits of tables that are not live are cleared. */
inline table_switch_out(flush)
{
    if
    :: flush ->
        cached = false; /* TLBI VMALLE1, DSB NSH: from here on only the live table is walked */
#ifdef CLEAR_LIVE_BIT
        store(B, BITMAP, 0)
#endif
    :: !flush
    fi;
    live = false
}

/* A later flush, while this table is not live. */
inline flush_elsewhere()
{
    cached = false;
    store(B, BITMAP, 0)
}

inline table_forget()
{
#ifdef FORGET_BIT_FIRST
    store(B, BITMAP, 0);
#endif
#ifndef FORGET_LIVE
    live = false; /* live_end */
#endif
    cached = false; /* TLBI ASIDE1, DSB NSH */
#ifndef FORGET_BIT_FIRST
    store(B, BITMAP, 0);
#endif
    live = false
}

proctype switcher()
{
    byte holder;

    table_switch_in();
    if
    :: table_switch_out(false)
    :: table_switch_out(true)
    :: table_forget()
    fi;
    if
    :: flush_elsewhere()
    :: true
    fi;
    table_switch_in()
}

init {
    atomic {
        memory[ENTRY] = 1;
        run drain(AT(A, ENTRY));
        run drain(AT(B, BITMAP));
        run walker();
        run unmapper();
        run switcher();
        run violation()
    }
}
