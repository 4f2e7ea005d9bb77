/*
 * models: book_fault book_of book_bind both_lock book_lock page_bind book_unbind page_lock page_release bounds_take
 *
 * Threads of one service, on several CPUs: one reads a page that is bound to a book, by a fault; others unbind the page and bind
 * it again, or give it up; and then another service gets it, in a new book of its own. The book's lock is taken before that of a
 * bound page; to bind a page the lower number's is taken first, here the page's (ipc/page_book.h, locking). Checked: nobody waits
 * for ever (invalid end state), and a fault maps a page only while the list of the book has it whose owner the service is.
 *
 * Mutants, each to be refuted:
 *   LOCKED_UNSEEN      the fault waits for the page's lock, then looks whether the page is still bound
 *   BOUND_BEFORE       the fault looks whether the page is bound, then takes the book's lock
 *   BIND_UNCHECKED     who binds waits for the book's lock with the page's in hand, whatever the page is by then
 *   BINDING_LATE       a page from the pool is marked as bound, then it is written to which book
 */
#define ROUNDS 2
#define OURS   1
#define OTHERS 2

bool page_locked, book_locked, mapping;
bool bound = true; /* the page's word */
byte binding = OURS; /* page_bindings[].bound.book: stays when the page is unbound */
bool listed = true; /* in our book's list */
bool owned, free; /* by the service itself; in the pool */

inline lock(which)
{
    atomic { !which -> which = true }
}

inline book_unbind()
{
    lock(book_locked);
    if
    :: listed ->
        lock(page_locked);
        assert(!mapping);
        listed = false;
        owned = true;
        bound = false;
        page_locked = false
    :: else
    fi;
    book_locked = false
}

inline page_release()
{
    lock(page_locked);
    if
    :: owned -> owned = false; free = true
    :: else
    fi;
    page_locked = false
}

inline book_bind()
{
    /* both_lock */
    lock(page_locked);
    if
#ifdef BIND_UNCHECKED
    :: true ->
#else
    :: !owned -> page_locked = false /* not the service's own any more */
    :: else ->
#endif
        lock(book_locked);
        assert(!mapping);
        owned = false;
        binding = OURS;
        listed = true;
        bound = true;
        page_locked = false;
        book_locked = false
    fi
}

proctype binder()
{
    byte round;

    do
    :: round == ROUNDS -> break
    :: else ->
        book_unbind();
        if
        :: true -> book_bind()
        :: true -> page_release()
        fi;
        round++
    od
}

/* Once, and only if somebody gives the page up. Takes no lock: the word is exchanged when nobody has it. */
proctype bounds_take()
{
end_pool:
    free;
    free = false;
#ifndef BINDING_LATE
    binding = OTHERS;
#endif
    atomic { !page_locked -> bound = true }
    binding = OTHERS
}

proctype book_fault()
{
    byte round;
    bool seen;

    do
    :: round == ROUNDS -> break
    :: else ->
        if
        :: binding == OURS /* book_of: else it is the other book's lock that is taken, and its owner who is asked for */
        :: else -> break
        fi;
#ifdef BOUND_BEFORE
        seen = bound;
#endif
        lock(book_locked);
#ifdef LOCKED_UNSEEN
        lock(page_locked);
        seen = bound;
#else
#ifndef BOUND_BEFORE
        seen = bound;
        seen = seen && binding == OURS;
#endif
        if
        :: seen -> lock(page_locked)
        :: else
        fi;
#endif
        if
        :: seen ->
            assert(listed);
            mapping = true;
            mapping = false
        :: else
        fi;
#ifdef LOCKED_UNSEEN
        seen = true;
#endif
        if
        :: seen -> page_locked = false
        :: else
        fi;
        book_locked = false;
        round++
    od
}

init {
    atomic {
        run binder();
        run binder();
        run bounds_take();
        run book_fault()
    }
}
