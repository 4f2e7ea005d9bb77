/* How pages change hands and how CPUs wait, as the settings unmap=, tlb= and grace= ask: see boot.h. */
#include "ipc/policy.h"
#include "ipc/idle.h"
#include <stddef.h>
#include "boot/boot.h"
#include "core/setting.h"

/* Microseconds that an idle CPU polls on. */
static void grace_init(void)
{
    const char *setting = setting_find("grace");
    uint32_t number = 0;

    if (!setting) {
        idle_init(GRACE_DEFAULT, GRACE_MANY);
        return;
    }
    for (const char *digit = setting; *digit; digit++)
        number = *digit >= '0' && *digit <= '9' && number <= GRACE_MOST
                     ? number * 10 + (uint32_t)(*digit - '0')
                     : GRACE_MOST + 1;
    if (!*setting || number > GRACE_MOST)
        boot_fail("setting grace=%s: expected microseconds, from 0 to %u", setting, GRACE_MOST);
    idle_init(number, number);
}

void boot_policy_init(void)
{
    const char *unmap = setting_find("unmap"), *tlb = setting_find("tlb");
    int which = unmap ? policy_parse(unmap) : POLICY_DASH;
    int mode = tlb ? policy_tlb_parse(tlb) : TLB_BROADCAST;

    if (which < 0)
        boot_fail("setting unmap=%s: expected copy, synchronous, dash or path", unmap);
    if (mode < 0)
        boot_fail("setting tlb=%s: expected broadcast or ipi", tlb);
    grace_init();
    policy_begin((enum policy)which, (enum tlb_mode)mode);
}
