/* Spaces and ASIDs: see space.h. The allocator is the generation scheme of arm64 systems, here with a lock on
 * its slow path. */
#include "mm/space.h"
#include "core/cpu.h"
#include "core/ledger.h"
#include "core/lock.h"
#include "core/log.h"
#include "core/seed.h"
#include "mm/frame.h"
#include "mm/unmap.h"

#define ASID_BITS_MAX 16
#define ASID_NUMBER   0xffffull

static struct space spaces[SPACES_MAX];
static struct table tables[SPACES_MAX]; /* tables[0] is the trusted services' */
static unsigned space_count, table_count;
static uint32_t region_pages;

static struct {
    struct spinlock lock;
    uint64_t generation;         /* (atomic) in bits 63:16; the low bits are 0 */
    uint32_t numbers;            /* ASIDs there are, 0 included */
    uint32_t next;               /* where the search for a free one goes on */
    uint32_t flush;              /* (lock) CPUs that must drop their TLB before they switch */
    uint64_t live[CPUS_MAX];     /* (atomic) generation | number in TTBR0; 0 after a roll-over */
    uint64_t reserved[CPUS_MAX]; /* (lock) what was live at the last roll-over */
    uint64_t *used;              /* (lock) bitmap */
} asid;

static uint64_t empty_root; /* a table without any entry: what TTBR0 names when no table is live */

static struct {
    uint64_t va, pa, size;
} shared; /* mapped in every table */

static void shared_map(struct table *table)
{
    if (shared.size)
        pagetable_map(&table->pages, shared.va, shared.pa, shared.size,
                      MAP_PRIVATE | (table->user ? MAP_USER : 0));
}

static void table_create(bool user)
{
    struct table *table = &tables[table_count];

    table->number = (uint8_t)table_count++;
    pagetable_create(&table->pages, region_pages);
    table->user = user;
    shared_map(table);
}

void space_map_shared(uint64_t va, uint64_t pa, uint64_t size)
{
    invariant(!shared.size, "space: one range is shared");
    shared.va = va;
    shared.pa = pa;
    shared.size = size;
    for (unsigned i = 0; i < table_count; i++)
        shared_map(&tables[i]);
}

void space_init(uint32_t ipc_pages, unsigned asid_bits)
{
    region_pages = ipc_pages;
    asid.numbers = 1u << (asid_bits ? asid_bits : arch_asid_bits());
    asid.generation = 1ull << ASID_BITS_MAX;
    asid.used = frame_alloc_bytes((asid.numbers + 63) / 64 * 8, 8, "the ASID bitmap");
    asid.used[0] = 1; /* ASID 0 is what the boot ran under */
    asid.next = 1;
    empty_root = frame_alloc(1, "an empty table");
    spaces[0].name = "kernel";
    space_count = 1;
    table_create(false);
}

struct space *space_create(const char *name, bool isolated, uint32_t page_limit)
{
    if (space_count == SPACES_MAX)
        return NULL;
    struct space *space = &spaces[space_count];
    space->number = (uint8_t)space_count++;
    space->name = name;
    space->page_limit = page_limit;
    space->table = &tables[0];
    if (isolated) {
        space->table = &tables[table_count];
        table_create(true);
    }
    return space;
}

struct space *space_at(unsigned number)
{
    return number < space_count ? &spaces[number] : NULL;
}

void space_map(struct space *space, uint64_t va, uint64_t pa, uint64_t size, unsigned flags)
{
    flags |= MAP_PRIVATE;
    if (space->table->user)
        flags |= MAP_USER;
    else if (flags & MAP_EXEC_USER)
        flags = (flags & ~MAP_EXEC_USER) | MAP_EXEC_KERNEL;
    pagetable_map(&space->table->pages, va, pa, size, flags);
}

static bool number_take(uint64_t number)
{
    uint64_t bit = 1ull << (number & 63);

    if (asid.used[number >> 6] & bit)
        return false;
    asid.used[number >> 6] |= bit;
    return true;
}

/* A new generation: only what runs now keeps its number, and every CPU must flush before it switches. */
static void generation_begin(void)
{
    __atomic_store_n(&asid.generation, asid.generation + (1ull << ASID_BITS_MAX), __ATOMIC_RELAXED);
    for (uint32_t i = 0; i < (asid.numbers + 63) / 64; i++)
        asid.used[i] = 0;
    asid.used[0] = 1;
    for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++) {
        uint64_t live = __atomic_exchange_n(&asid.live[cpu], 0, __ATOMIC_RELAXED);
        /* 0: no switch since the roll-over before; what was reserved then still runs */
        if (live)
            asid.reserved[cpu] = live;
        if (asid.reserved[cpu])
            number_take(asid.reserved[cpu] & ASID_NUMBER);
    }
    asid.flush = (1u << CPUS_MAX) - 1;
    asid.next = 1;
    cpu_self()->counters[COUNT_TLB_ROLLOVERS]++;
    ledger_note(cpu_self(), LEDGER_ROLLOVER, 0, LEDGER_NO_PAGE, asid.generation >> ASID_BITS_MAX);
}

/* True when `old` was live at the roll-over: it keeps its number on every CPU that names it. */
static bool reserved_renew(uint64_t old, uint64_t renewed)
{
    bool hit = false;

    for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++)
        if (asid.reserved[cpu] == old) {
            asid.reserved[cpu] = renewed;
            hit = true;
        }
    return hit;
}

static uint64_t number_find(void)
{
    for (uint32_t i = 0; i < asid.numbers; i++) {
        uint32_t number = asid.next + i < asid.numbers ? asid.next + i : asid.next + i - asid.numbers;
        if (number && number_take(number)) {
            asid.next = number + 1 < asid.numbers ? number + 1 : 1;
            return number;
        }
    }
    return 0;
}

/* A value of the current generation for the table. */
static uint64_t asid_renew(struct table *table)
{
    uint64_t old = table->asid;

    if (old) {
        uint64_t renewed = asid.generation | (old & ASID_NUMBER);
        if (reserved_renew(old, renewed) || number_take(old & ASID_NUMBER))
            return renewed;
    }
    uint64_t number = number_find();
    if (!number) {
        generation_begin();
        number = number_find();
        invariant(number, "space 2: more CPUs than ASIDs");
    }
    return asid.generation | number;
}

/* This CPU has dropped its whole TLB: only of the table still in TTBR0 may its walker have fetched anything
 * since. */
static void bitmaps_clear(unsigned cpu)
{
    for (unsigned i = 0; i < table_count; i++)
        if (&tables[i] != cpus[cpu].live)
            __atomic_fetch_and(&tables[i].cpus, ~(1u << cpu), __ATOMIC_RELAXED);
}

static void asid_settle(struct table *table, unsigned cpu)
{
    spin_lock(&asid.lock);
    if ((table->asid & ~ASID_NUMBER) != asid.generation)
        __atomic_store_n(&table->asid, asid_renew(table), __ATOMIC_RELAXED);
    if (asid.flush & 1u << cpu && !seed(SEED_ROLLOVER_NO_FLUSH)) {
        arch_tlbi_all_local(); /* else a number of the new generation could meet entries of the old one */
        arch_dsb_nsh();        /* else the switch may come before the flush is complete */
        bitmaps_clear(cpu);
        ledger_note(cpu_self(), LEDGER_FLUSH, 0, LEDGER_NO_PAGE, asid.generation >> ASID_BITS_MAX);
        asid.flush &= ~(1u << cpu);
    }
    __atomic_store_n(&asid.live[cpu], table->asid, __ATOMIC_RELAXED);
    spin_unlock(&asid.lock);
}

/* True when the table's ASID is of this generation and was made live without the lock. */
static inline __attribute__((always_inline)) bool asid_settle_fast(struct table *table, unsigned cpu)
{
    uint64_t value = __atomic_load_n(&table->asid, __ATOMIC_RELAXED);
    uint64_t live = __atomic_load_n(&asid.live[cpu], __ATOMIC_RELAXED);

    /* The exchange fails when a roll-over has taken our live value away meanwhile. */
    return live && (value & ~ASID_NUMBER) == __atomic_load_n(&asid.generation, __ATOMIC_RELAXED) &&
           __atomic_compare_exchange_n(&asid.live[cpu], &live, value, false, __ATOMIC_RELAXED,
                                       __ATOMIC_RELAXED);
}

/* The table's ASID is not known to be good here, or this CPU not known to hold the table. `settled`: only the second. */
static __attribute__((noinline)) void table_settle(struct table *table, unsigned cpu, bool settled)
{
    uint32_t bit = 1u << cpu;
    bool renewed = !settled;

    if (renewed)
        asid_settle(table, cpu);
    if (!(__atomic_load_n(&table->cpus, __ATOMIC_RELAXED) & bit) && !(seed(SEED_BITMAP_BIT) && cpu)) {
        __atomic_fetch_or(&table->cpus, bit, __ATOMIC_RELAXED);
        renewed = true;
    }
    /* Else our walker may fetch an entry that another CPU is just taking away, while that CPU, reading the bitmap and the
       ASID before ours are seen, does not tell us. A DMB would not do: a walk is no access that it orders. */
    if (renewed)
        arch_dsb_ish();
}

static __attribute__((noinline)) void table_switch_any(struct table *table)
{
    struct cpu *cpu = cpu_self();

    unmap_poll(); /* what the service that ran here left to be unmapped ends with its turn */
    bool settled = asid_settle_fast(table, cpu->number);
    if (!settled || !(__atomic_load_n(&table->cpus, __ATOMIC_RELAXED) >> cpu->number & 1))
        table_settle(table, cpu->number, settled);
    cpu->live = table;
    cpu->counters[COUNT_SWITCHES]++;
    arch_table_set(table->pages.root, table_asid(table));
    ledger_note(cpu, LEDGER_SWITCH, 0, LEDGER_NO_PAGE,
                (uint64_t)(table - tables) | (uint64_t)table_asid(table) << 8);
}

/* The common case without a call: nothing to pass on, nobody watches, and the table is known here under a good number. */
void table_switch(struct table *table)
{
    struct cpu *cpu = cpu_self();

    if (cpu->live == table)
        return;
    bool plain = !unmap_wanted(cpu->number) && !ledger_noting(cpu) &&
                 __atomic_load_n(&table->cpus, __ATOMIC_RELAXED) >> cpu->number & 1;
    if (__builtin_expect(!plain || !asid_settle_fast(table, cpu->number), 0)) {
        table_switch_any(table);
        return;
    }
    cpu->live = table;
    cpu->counters[COUNT_SWITCHES]++;
    arch_table_set(table->pages.root, table_asid(table));
}

/* Makes no table live on this CPU. ASID 0 belongs to none, and nothing is mapped under it. */
static void live_end(struct cpu *cpu)
{
    cpu->live = NULL;
    /* A roll-over need keep no number for us */
    __atomic_store_n(&asid.live[cpu->number], 0, __ATOMIC_RELAXED);
    asid.reserved[cpu->number] = 0;
    arch_table_set(empty_root, 0);
}

void table_forget(struct table *table)
{
    struct cpu *cpu = cpu_self();
    uint32_t bit = 1u << cpu->number;

    if (!(__atomic_load_n(&table->cpus, __ATOMIC_RELAXED) & bit))
        return;
    /* Under the lock the number stays what it is. If the table got it in a generation for which this CPU has not flushed
       yet, what is cached here is under an older number: it goes before that number is used here (space 3). */
    spin_lock(&asid.lock);
    if (cpu->live == table)
        live_end(cpu); /* first: while the table is in TTBR0 our walker may fetch again what we drop */
    arch_tlbi_asid_local(table_asid(table));
    arch_dsb_nsh(); /* else who unmaps, finding our bit clear, may recycle a page that we can still reach */
    __atomic_fetch_and(&table->cpus, ~bit, __ATOMIC_RELEASE);
    spin_unlock(&asid.lock);
    cpu->counters[COUNT_TLB_BARRIERS]++;
}

struct table *table_at(unsigned number)
{
    return &tables[number];
}

uint16_t table_asid(const struct table *table)
{
    return (uint16_t)(__atomic_load_n(&table->asid, __ATOMIC_RELAXED) & ASID_NUMBER);
}
