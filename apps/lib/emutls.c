/*
 * Thread-local variables for compilers that were built without them, as Arm gives out its GNU toolchain: each use of one
 * is a call of __emutls_get_address() with the variable's description. libgcc's own answer knows of one thread only.
 * Built in only where the compiler asks for it (cmake/flags.cmake).
 *
 * Owns: in each thread's block, an area for the copies of those variables (emutls.S). A copy is made when its thread
 * first uses it. There is no malloc here: malloc's lock is itself taken with the help of such a variable.
 */
#include <stddef.h>
#include <string.h>
#include "apps/baton.h"
#include "apps/lib/emutls.h"
#include "apps/lib/internal.h"

/* What the compiler makes for a variable; the layout is GCC's, and clang's. */
struct variable {
    size_t size, align;
    size_t number;     /* ours: (atomic) 0 until any thread has used it */
    const void *value; /* at first; NULL: zero */
};

struct area {
    void *copy[EMUTLS_VARIABLES];
    size_t used; /* of bytes[] */
    char bytes[EMUTLS_BYTES - (EMUTLS_VARIABLES + 1) * sizeof(void *)];
};
_Static_assert(sizeof(struct area) == EMUTLS_BYTES, "emutls.S reserves so much");

static uint32_t numbers_lock;
static size_t numbers;

void *__emutls_get_address(struct variable *variable);

static size_t variable_number(struct variable *variable)
{
    size_t number = __atomic_load_n(&variable->number, __ATOMIC_RELAXED);

    if (number)
        return number;
    library_lock(&numbers_lock);
    if (!variable->number)
        __atomic_store_n(&variable->number, ++numbers, __ATOMIC_RELAXED);
    number = variable->number;
    library_unlock(&numbers_lock);
    return number;
}

static void *copy_make(struct area *area, const struct variable *variable)
{
    char *copy = (char *)(((uintptr_t)&area->bytes[area->used] + variable->align - 1) & -variable->align);

    if (copy + variable->size > area->bytes + sizeof area->bytes)
        return NULL;
    area->used = (size_t)(copy + variable->size - area->bytes);
    if (variable->value)
        memcpy(copy, variable->value, variable->size); /* else it is zero, as the whole block was at first */
    return copy;
}

void *__emutls_get_address(struct variable *variable)
{
    static const char full[] =
        "more thread-local variables than EMUTLS_VARIABLES, EMUTLS_BYTES (apps/lib/emutls.h)\n";
    struct area *area = emutls_area();
    size_t number = variable_number(variable);

    if (number <= EMUTLS_VARIABLES && !area->copy[number - 1])
        area->copy[number - 1] = copy_make(area, variable);
    if (number > EMUTLS_VARIABLES || !area->copy[number - 1]) {
        baton_call_log(full, sizeof full - 1);
        baton_undefined();
    }
    return area->copy[number - 1];
}
