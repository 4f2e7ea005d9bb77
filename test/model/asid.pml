/*
 * models: table_switch asid_settle asid_settle_fast asid_renew generation_begin reserved_renew number_find bitmaps_clear table_forget table_asid unmap_pass
 *
 * Roll-over of the ASIDs while a page is taken away from table T. Two CPUs, one of which begins in T, switch between four
 * tables, of which three have numbers at a time; each switch is to any table, and CPU 1 may forget T. CPU 0 takes the page away, by broadcast or by an
 * entry in the queue of each CPU in T's bitmap; a pass invalidates under the number that T has then. A TLB holds the page under
 * numbers; the walker fetches it under the number in TTBR0 while T is there and the entry is seen to be valid. Any free number
 * may be given out. That a TLBI is complete when its DSB is belongs to test/model/handover.pml; here it is one step.
 * Checked: code of another table never runs under a number under which its CPU holds the page, nor does T's once the unmap is
 * complete (page 4, space 2 and 3).
 *
 * Mutants, each to be refuted:
 *   ROLLOVER_NO_FLUSH  a CPU goes on with numbers of the new generation and entries of the old one
 *   NOT_RESERVED       what is live at a roll-over does not keep its number
 *   RESERVED_LOST      what was live at a roll-over does not keep it at the next one when its CPU has not switched
 *   LIVE_STORED        the fast path stores what is live, and so undoes what a roll-over took away
 *   ASID_FIRST         T's number is read before its entry is seen to be cleared
 *   NO_SWITCH_BARRIER  TTBR0 is written before T's number and bit are seen
 */
#define PROCESSES 2
#define ENTRY  0
#define NUMBER 1       /* T's ASID, read without the lock */
#define BIT(c) (2 + (c)) /* of T's bitmap */
#define VARIABLES 4
#include "memory.pml"

#define T       0
#define TABLES  4
#define NONE    TABLES
#define NUMBERS 4 /* 0 is never given out */
#define GENERATION(asid) ((asid) / NUMBERS)
#define MAKE(of, asid)   ((of) * NUMBERS + (asid) % NUMBERS)
#define SWITCHES(c) (3 - (c))
#define CACHED(c, number) cached[(c) * NUMBERS + (number)]

/* One step, as nobody else has the lock; who had it last has let its stores be seen (release), perhaps not before it went on. */
#define LOCKED(self) !pending[AT(1 - self, NUMBER)]

byte generation = 1, asids[TABLES], live[2], reserved[2];
bool used[NUMBERS], flush[2];
byte in_use[2] = NONE, under[2]; /* TTBR0: the table and its number */
bool runs[2];                    /* service code, not the switch */
bool cached[2 * NUMBERS], queued[2], begun, unmapped;

#define WALKS(c) in_use[c] == T && memory[ENTRY] && !CACHED(c, under[c])
proctype walker()
{
end:
    do
    :: atomic { WALKS(0) -> CACHED(0, under[0]) = true }
    :: atomic { WALKS(1) -> CACHED(1, under[1]) = true }
    od
}

#define REACHES(c) runs[c] && CACHED(c, under[c]) && (unmapped || in_use[c] != T)
proctype violation()
{
end:
    atomic { (REACHES(0)) || (REACHES(1)) -> assert(false) }
}

inline number_find(number)
{
    if
    :: !used[1] -> number = 1
    :: !used[2] -> number = 2
    :: !used[3] -> number = 3
    :: else -> number = 0
    fi
}

inline reserve(c)
{
    if
#ifdef RESERVED_LOST
    :: true -> reserved[c] = live[c]
#else
    :: live[c] -> reserved[c] = live[c]
    :: else
#endif
    fi;
    live[c] = 0;
#ifndef NOT_RESERVED
    if
    :: reserved[c] -> used[reserved[c] % NUMBERS] = true
    :: else
    fi;
#endif
    flush[c] = true
}

inline generation_begin()
{
    generation++;
    used[1] = false;
    used[2] = false;
    used[3] = false;
    reserve(0);
    reserve(1)
}

inline asid_renew(old)
{
    kept = old && (reserved[0] == old || reserved[1] == old);
    if
    :: old && reserved[0] == old -> reserved[0] = MAKE(generation, old)
    :: else
    fi;
    if
    :: old && reserved[1] == old -> reserved[1] = MAKE(generation, old)
    :: else
    fi;
    if
    :: kept || (old && !used[old % NUMBERS]) -> number = old % NUMBERS
    :: else ->
        number_find(number);
        if
        :: !number ->
            generation_begin();
            number_find(number);
            assert(number)
        :: else
        fi
    fi;
    used[number] = true;
    old = MAKE(generation, number);
    number = 0;
    kept = false
}

inline tlb_flush(c)
{
    CACHED(c, 1) = false;
    CACHED(c, 2) = false;
    CACHED(c, 3) = false
}

inline asid_settle(self, table)
{
    atomic {
        LOCKED(self);
        value = (table == T -> SEEN(self, NUMBER) : asids[table]);
        if
        :: GENERATION(value) != generation ->
            asid_renew(value);
            if
            :: table == T -> store(self, NUMBER, value)
            :: else -> asids[table] = value
            fi
        :: else
        fi;
        if
        :: flush[self] ->
#ifndef ROLLOVER_NO_FLUSH
            tlb_flush(self);
#endif
            flush[self] = false;
            if
            :: in_use[self] != T && SEEN(self, BIT(self)) -> store(self, BIT(self), 0) /* bitmaps_clear */
            :: else
            fi
        :: else
        fi;
        live[self] = value
    }
}

inline table_switch(self, table)
{
    atomic {
        runs[self] = false;
        value = (table == T -> SEEN(self, NUMBER) : asids[table]);
        old = live[self];
        settled = old && GENERATION(value) == generation
    }
    /* asid_settle_fast */
    atomic {
#ifdef LIVE_STORED
        if
        :: settled -> live[self] = value
        :: else
        fi
#else
        settled = settled && live[self] == old;
        if
        :: settled -> live[self] = value
        :: else
        fi
#endif
    }
    old = 0;
    value = 0;
    if
    :: !settled -> asid_settle(self, table)
    :: else
    fi;
    if
    :: table == T && !SEEN(self, BIT(self)) ->
        store(self, BIT(self), 1);
        settled = false
    :: else
    fi;
#ifndef NO_SWITCH_BARRIER
    if
    :: !settled -> fence(self)
    :: else
    fi;
#endif
    atomic {
        in_use[self] = table;
        under[self] = (table == T -> SEEN(self, NUMBER) : asids[table]) % NUMBERS;
        runs[self] = true;
        value = 0;
        settled = false
    }
}

inline table_forget(self)
{
    if
    :: SEEN(self, BIT(self)) ->
        atomic {
            LOCKED(self);
            runs[self] = false;
            if
            :: in_use[self] == T ->
                in_use[self] = NONE; /* live_end */
                under[self] = 0;
                live[self] = 0;
                reserved[self] = 0
            :: else
            fi;
            CACHED(self, SEEN(self, NUMBER) % NUMBERS) = false; /* TLBI ASIDE1, DSB NSH */
            store(self, BIT(self), 0)
        }
    :: else
    fi
}

inline unmap_pass(self)
{
    atomic {
        CACHED(self, SEEN(self, NUMBER) % NUMBERS) = false;
        queued[self] = false
    }
}

inline unmap_page()
{
#ifdef ASID_FIRST
    load(0, NUMBER, value);
#endif
    store(0, ENTRY, 0);
    fence(0);
    if
    :: memory[BIT(0)] || memory[BIT(1)] -> /* by broadcast */
#ifndef ASID_FIRST
        load(0, NUMBER, value);
#endif
        atomic {
            CACHED(0, value % NUMBERS) = false;
            CACHED(1, value % NUMBERS) = false
        }
    :: true -> /* by the queues */
        queued[0] = memory[BIT(0)];
        queued[1] = memory[BIT(1)]
    fi;
    value = 0;
    begun = true
}

proctype cpu(byte self)
{
    byte left, value, old, number;
    bool settled, kept;

    left = SWITCHES(self);
end:
    do
    :: left && in_use[self] != T -> left--; table_switch(self, T)
    :: left && in_use[self] != 1 -> left--; table_switch(self, 1)
    :: left && in_use[self] != 2 -> left--; table_switch(self, 2)
    :: left && in_use[self] != 3 -> left--; table_switch(self, 3)
    :: left && self == 1 -> left--; table_forget(self)
    :: queued[self] -> unmap_pass(self)
    :: self == 0 && !begun -> unmap_page()
    :: atomic { begun && !queued[0] && !queued[1] && !unmapped -> unmapped = true }
    od
}

init {
    atomic {
        memory[ENTRY] = 1;
        memory[BIT(1)] = 1;
        memory[NUMBER] = NUMBERS + 1;
        asids[1] = NUMBERS + 2;
        asids[2] = NUMBERS + 3;
        used[1] = true;
        used[2] = true;
        used[3] = true;
        in_use[0] = 2;
        under[0] = 3;
        live[0] = asids[2];
        in_use[1] = T;
        under[1] = 1;
        live[1] = memory[NUMBER];
        runs[0] = true;
        runs[1] = true;
        run drain(AT(0, ENTRY));
        run drain(AT(0, NUMBER));
        run drain(AT(1, NUMBER));
        run drain(AT(0, BIT(0)));
        run drain(AT(1, BIT(1)));
        run walker();
        run cpu(0);
        run cpu(1);
        run violation()
    }
}
