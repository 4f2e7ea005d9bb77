/* The windows in which a stale translation is legal: see windows.h. */
#include "test/host/windows.h"
#include "test/host/machine.h"

#define EVERY_CPU ((1u << MACHINE_CPUS) - 1)

/* CPUs that each window still waits for; 0: it is not open. */
static uint8_t waits[WINDOW_PAGES][WINDOW_DOMAINS][WINDOWS];
static uint64_t open_domains[WINDOW_PAGES]; /* may name one of which nothing is open any more */

static unsigned cached_on[WINDOW_DOMAINS];
static int live_on[MACHINE_CPUS] = {-1, -1, -1, -1}; /* the domain */

void window_open(uint32_t page, unsigned domain, enum window kind)
{
    waits[page][domain][kind] = EVERY_CPU;
    open_domains[page] |= UINT64_C(1) << domain;
}

static void domains_settle(uint32_t page)
{
    for (unsigned domain = 0; open_domains[page] >> domain; domain++) {
        const uint8_t *kinds = waits[page][domain];
        if (!(kinds[WINDOW_READ] | kinds[WINDOW_DOWNGRADE] | kinds[WINDOW_WRITE]))
            open_domains[page] &= ~(UINT64_C(1) << domain);
        if (domain == WINDOW_DOMAINS - 1)
            break;
    }
}

void windows_passed(unsigned cpu)
{
    for (uint32_t page = 0; page < WINDOW_PAGES; page++) {
        for (unsigned domain = 0; open_domains[page] && domain < WINDOW_DOMAINS; domain++)
            for (unsigned kind = 0; kind < WINDOWS; kind++)
                waits[page][domain][kind] &= (uint8_t) ~(1u << cpu);
        domains_settle(page);
    }
}

void windows_end_writers(uint32_t page)
{
    for (unsigned domain = 0; domain < WINDOW_DOMAINS; domain++)
        waits[page][domain][WINDOW_DOWNGRADE] = waits[page][domain][WINDOW_WRITE] = 0;
    domains_settle(page);
}

void windows_end_shared(uint32_t page, unsigned self)
{
    for (unsigned domain = 0; open_domains[page] && domain < WINDOW_DOMAINS; domain++)
        if (domain != self)
            waits[page][domain][WINDOW_READ] = waits[page][domain][WINDOW_DOWNGRADE] = 0;
    domains_settle(page);
}

void windows_end(uint32_t page)
{
    windows_end_writers(page);
    for (unsigned domain = 0; domain < WINDOW_DOMAINS; domain++)
        waits[page][domain][WINDOW_READ] = 0;
    open_domains[page] = 0;
}

bool window_writes(uint32_t page, unsigned domain)
{
    return waits[page][domain][WINDOW_WRITE] || waits[page][domain][WINDOW_DOWNGRADE];
}

bool window_reads(uint32_t page, unsigned domain)
{
    return window_writes(page, domain) || waits[page][domain][WINDOW_READ];
}

uint64_t windows_domains(uint32_t page)
{
    return open_domains[page];
}

bool windows_any(uint32_t page)
{
    return open_domains[page];
}

void domain_live(unsigned domain, unsigned cpu, bool flushed)
{
    /* Of what was live during the flush, the walker may have fetched entries again before the switch */
    for (unsigned i = 0; flushed && i < WINDOW_DOMAINS; i++)
        if ((int)i != live_on[cpu])
            cached_on[i] &= ~(1u << cpu);
    cached_on[domain] |= 1u << cpu;
    live_on[cpu] = (int)domain;
}

void domain_forgotten(unsigned domain, unsigned cpu)
{
    cached_on[domain] &= ~(1u << cpu);
    if (live_on[cpu] == (int)domain)
        live_on[cpu] = -1;
}

bool domain_elsewhere(unsigned domain, unsigned cpu)
{
    return cached_on[domain] & ~(1u << cpu);
}
