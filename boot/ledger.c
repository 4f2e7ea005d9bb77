/* Memory for the ledger, as the settings and what is left allow: see boot.h. */
#include "boot/boot.h"
#include "core/arch.h"
#include "core/cpu.h"
#include "core/ledger.h"
#include "core/log.h"
#include "core/setting.h"
#include "core/string.h"
#include "mm/frame.h"

#define ENTRIES_DEFAULT 4096
#define ENTRIES_LEAST   64
#define ENTRIES_MOST    (1u << 20)

/* The largest power of two that is not above the setting; 0 when there is to be no ledger. */
static uint32_t entries_wanted(void)
{
    const char *setting = setting_find("ledger");
    uint32_t number = 0, entries = ENTRIES_LEAST;

    if (!setting)
        return ENTRIES_DEFAULT;
    for (const char *digit = setting; *digit; digit++)
        number = *digit >= '0' && *digit <= '9' && number <= ENTRIES_MOST
                     ? number * 10 + (uint32_t)(*digit - '0')
                     : ENTRIES_MOST + 1;
    if (!*setting || number > ENTRIES_MOST || (number && number < ENTRIES_LEAST))
        boot_fail("setting ledger=%s: expected 0, or a number of entries from %u to %u", setting,
                  ENTRIES_LEAST, ENTRIES_MOST);
    while (number && entries * 2 <= number)
        entries *= 2;
    return number ? entries : 0;
}

void boot_ledger_init(void)
{
    uint32_t wanted = entries_wanted(), entries = wanted;
    const char *trace = setting_find("trace");
    uint64_t memory = 0, size = sizeof(struct ledger_entry) * cpu_count;

    for (; entries >= ENTRIES_LEAST && !memory; entries = memory ? entries : entries / 2)
        if (entries * size <= frame_free_bytes() / 2)
            memory = frame_alloc_block((entries * size + PAGE_MASK) & ~PAGE_MASK, PAGE_SIZE);
    if (memory)
        ledger_init(arch_phys_to_virt(memory), entries);
    if (wanted && (!memory || entries < wanted))
        log_print("boot: memory is short: the ledger has %u entries for each CPU, not %u\n",
                  memory ? entries : 0, wanted);
    if (trace && strcmp(trace, "on") && strcmp(trace, "off"))
        boot_fail("setting trace=%s: expected on or off", trace);
    if (trace && !strcmp(trace, "on") && !ledger_enable(true))
        log_print("boot: trace=on, but there is no memory for the ledger\n");
}
