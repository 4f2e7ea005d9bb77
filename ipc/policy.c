/* The policy: see policy.h. */
#include "ipc/policy.h"

uint32_t policy = POLICY_DASH;
