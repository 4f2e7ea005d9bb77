/* The console's commands `policy` and `trust`, and what statistics tell of both: see console.h and ipc/policy.h. */
#include "ipc/policy.h"
#include <stdbool.h>
#include <stddef.h>
#include "core/counters.h"
#include "core/string.h"
#include "drivers/console.h"
#include "ipc/page_set.h"
#include "ipc/service.h"
#include "mm/space.h"

/* What tells one policy from another, under the names of `stats json`. */
static const struct {
    const char *name;
    enum counter counter;
} rows[] = {
    {"moved", COUNT_PAGES_MOVED},
    {"mapped", COUNT_PAGES_MAPPED},
    {"lazy_maps", COUNT_LAZY_MAPS},
    {"scrubbed", COUNT_PAGES_SCRUBBED},
    {"copied_bytes", COUNT_PAYLOAD_BYTES},
    {"local", COUNT_TLB_LOCAL},
    {"broadcast", COUNT_TLB_BROADCAST},
    {"fast", COUNT_TLB_FAST},
    {"queued", COUNT_TLB_QUEUED},
    {"skipped", COUNT_TLB_SKIPPED},
    {"kept", COUNT_TLB_KEPT},
    {"epoch", COUNT_TLB_EPOCH},
    {"reissued", COUNT_TLB_REISSUED},
    {"ipi", COUNT_TLB_IPI},
    {"range", COUNT_TLB_RANGE},
    {"asid", COUNT_TLB_ASID},
    {"passes", COUNT_TLB_PASSES},
    {"barriers", COUNT_TLB_BARRIERS},
};
#define ROWS (sizeof rows / sizeof rows[0])

/* ---- policy ---- */

static void print_all(void)
{
    console_print("policy: unmap=%s tlb=%s\n", policy_name(policy_now()), policy_tlb_name(policy_tlb()));
    console_print("%-13s", "counted under");
    for (unsigned which = 0; which < POLICIES; which++)
        console_print(" %14s", policy_name((enum policy)which));
    for (unsigned i = 0; i < ROWS; i++) {
        console_print("\n%-13s", rows[i].name);
        for (unsigned which = 0; which < POLICIES; which++)
            console_print(" %14lu", policy_count((enum policy)which, rows[i].counter));
    }
    console_print("\n");
}

/* One word of the command: `unmap=dash` or `tlb=ipi`. False, with a message, when it is neither. */
static bool word_parse(const char *word, int *which, int *mode)
{
    if (!strncmp(word, "unmap=", 6)) {
        *which = policy_parse(word + 6);
        if (*which < 0)
            console_print("policy: unmap=%s: expected copy, synchronous, dash or path\n", word + 6);
        return *which >= 0;
    }
    if (!strncmp(word, "tlb=", 4)) {
        *mode = policy_tlb_parse(word + 4);
        if (*mode < 0)
            console_print("policy: tlb=%s: expected broadcast or ipi\n", word + 4);
        return *mode >= 0;
    }
    console_print("policy: `%s`: expected unmap=copy|synchronous|dash|path or tlb=broadcast|ipi\n", word);
    return false;
}

void command_policy(const char *argument, const char *board)
{
    int which = (int)policy_now(), mode = (int)policy_tlb();
    char word[32];

    (void)board;
    if (!argument) {
        print_all();
        return;
    }
    while (console_word(&argument, word, sizeof word))
        if (!word_parse(word, &which, &mode))
            return;
    policy_change((enum policy)which, (enum tlb_mode)mode);
    console_print("policy: unmap=%s tlb=%s\n", policy_name(policy_now()), policy_tlb_name(policy_tlb()));
}

void stats_print_policy(void)
{
    console_print("policy: unmap=%s tlb=%s\n", policy_name(policy_now()), policy_tlb_name(policy_tlb()));
}

static void json_sets(void)
{
    const char *separator = "";

    console_print("\"trust\": {");
    for (unsigned i = 0; i < service_count; i++) {
        const char *name = services[i].row ? page_set_name(services[i].space) : NULL;
        if (!name)
            continue;
        console_print("%s\"%s\": {\"set\": \"%s\", \"pool\": %u}", separator, services[i].name, name,
                      page_set_pooled(services[i].space));
        separator = ", ";
    }
    console_print("}, ");
}

void stats_print_policy_json(void)
{
    console_print("\"policy\": {\"unmap\": \"%s\", \"tlb\": \"%s\"}, ", policy_name(policy_now()),
                  policy_tlb_name(policy_tlb()));
    json_sets();
    console_print("\"policies\": {");
    for (unsigned which = 0; which < POLICIES; which++) {
        console_print("%s\"%s\": {", which ? ", " : "", policy_name((enum policy)which));
        for (unsigned i = 0; i < ROWS; i++)
            console_print("%s\"%s\": %lu", i ? ", " : "", rows[i].name,
                          policy_count((enum policy)which, rows[i].counter));
        console_print("}");
    }
    console_print("}, ");
}

/* ---- trust ---- */

static struct service *service_find(const char *name)
{
    for (unsigned i = 0; i < service_count; i++)
        if (services[i].row && !strcmp(services[i].name, name))
            return &services[i];
    return NULL;
}

static void print_sets(void)
{
    for (unsigned i = 0; i < service_count; i++) {
        if (!services[i].row)
            continue;
        const char *name = page_set_name(services[i].space);
        console_print("%-16s %-16s %6u pages free and mapped\n", services[i].name, name ? name : "none",
                      page_set_pooled(services[i].space));
    }
    console_print("Inside a set pages are shared memory%s.\n",
                  policy_now() == POLICY_PATH ? "" : ", once `policy unmap=path` is in force");
}

void command_trust(const char *argument, const char *board)
{
    char name[TRUST_NAME + 16], set[TRUST_NAME + 16], more[2];
    struct service *service;

    (void)board;
    if (!argument) {
        print_sets();
        return;
    }
    if (!console_word(&argument, name, sizeof name) || !console_word(&argument, set, sizeof set) ||
        console_word(&argument, more, sizeof more)) {
        console_print("trust: takes a service and the name of a set, or `none`\n");
        return;
    }
    if (!(service = service_find(name))) {
        console_print("trust: there is no service `%s`\n", name);
        return;
    }
    if (strcmp(set, "none") && !page_set_name_valid(set)) {
        console_print("trust: `%s` is no name: [a-z0-9-], at most %u\n", set, TRUST_NAME - 1);
        return;
    }
    page_sets_close();
    page_set_join(service->space, strcmp(set, "none") ? set : NULL);
    page_sets_open(policy_now());
    print_sets();
}
