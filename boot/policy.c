/* How pages change hands, as the settings unmap= and tlb= ask: see boot.h. */
#include "ipc/policy.h"
#include <stddef.h>
#include "boot/boot.h"
#include "core/setting.h"

void boot_policy_init(void)
{
    const char *unmap = setting_find("unmap"), *tlb = setting_find("tlb");
    int which = unmap ? policy_parse(unmap) : POLICY_DASH;
    int mode = tlb ? policy_tlb_parse(tlb) : TLB_BROADCAST;

    if (which < 0)
        boot_fail("setting unmap=%s: expected copy, synchronous, dash or path", unmap);
    if (mode < 0)
        boot_fail("setting tlb=%s: expected broadcast or ipi", tlb);
    policy_begin((enum policy)which, (enum tlb_mode)mode);
}
