/* The spin table: see spin_table.h. */
#include "drivers/spin_table.h"

#include <stddef.h>
#include <stdint.h>
#include "core/arch.h"
#include "drivers/cpu_start.h"
#include "mm/kernel_map.h"

/* spin_table_entry.S reads it with the MMU off: alone in its cache line, and written back. */
struct spin_table_next {
    uint64_t context;
    uint64_t entry;
} __attribute__((aligned(64)));

extern struct spin_table_next spin_table_next;
void spin_table_entry(void);

struct spin_table_next spin_table_next;

static const char *spin_table_start(const struct cpu_place *place, uint64_t entry, uint64_t context)
{
    if (!place->release || place->release % 8 || place->release >= LINEAR_SIZE)
        return "no cpu-release-addr in the device tree";
    volatile uint64_t *release = arch_phys_to_virt(place->release);

    spin_table_next = (struct spin_table_next){context, entry};
    arch_cache_clean(&spin_table_next);
    arch_dsb_sy(); /* else the CPU may leave its loop before it can read where to go */
    *release = kernel_image_phys((const void *)spin_table_entry);
    arch_cache_clean((const void *)release); /* it looks past the caches */
    arch_dsb_sy(); /* else it may be woken before the word has changed, and sleep on */
    arch_send_event();
    return NULL;
}

static const struct cpu_start_method method = {.name = "spin-table", .start = spin_table_start};

void spin_table_init(void)
{
    cpu_start_add(&method);
}
