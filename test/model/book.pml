/*
 * models: book_fault book_of book_bind both_lock book_lock page_bind book_unbind page_lock
 *
 * Two threads of one service, on two CPUs: one reads a page that is bound to a book, by a fault; the other unbinds the page and
 * binds it again. The book's lock is taken before that of a bound page; to bind a page the lower number's is taken first, here
 * the page's (ipc/page_book.h, locking). Checked: nobody waits for ever (invalid end state), and a fault maps a page only while
 * it is bound to the book whose owner the service is.
 *
 * Mutants, each to be refuted:
 *   LOCKED_UNSEEN      the fault waits for the page's lock, then looks whether the page is still bound
 *   BOUND_BEFORE       the fault looks whether the page is bound, then takes the book's lock
 *   BIND_UNCHECKED     who binds waits for the book's lock with the page's in hand, whatever the page is by then
 */
#define ROUNDS 2

bool page_locked, book_locked, bound = true, mapping;

inline lock(which)
{
    atomic { !which -> which = true }
}

inline book_unbind()
{
    lock(book_locked);
    if
    :: bound ->
        lock(page_locked);
        assert(!mapping);
        bound = false;
        page_locked = false
    :: else
    fi;
    book_locked = false
}

inline book_bind()
{
    /* both_lock */
    lock(page_locked);
    if
#ifdef BIND_UNCHECKED
    :: true ->
#else
    :: bound -> page_locked = false /* not the service's own any more */
    :: else ->
#endif
        lock(book_locked);
        assert(!mapping);
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
        book_bind();
        round++
    od
}

proctype book_fault()
{
    byte round;
    bool seen;

    do
    :: round == ROUNDS -> break
    :: else ->
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
#endif
        if
        :: seen -> lock(page_locked)
        :: else
        fi;
#endif
        if
        :: seen ->
            assert(bound);
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
        run book_fault()
    }
}
