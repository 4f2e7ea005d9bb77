/*
 * Has phoenix fault lives=N times (default 10), and prints `restart: N lives, all pristine` at the end if
 * each call that
 * phoenix died over ended with BATON_EDEAD, and each new life began with its data as linked.
 */
#include "apps/baton.h"
#include "test/qemu/apps/restart/protocol.h"

static int phoenix, own_port;

static void sent_free(void)
{
    struct baton_message message;

    while (baton_receive(own_port, &message, 0, BATON_NO_WAIT) > 0)
        baton_message_free(&message);
}

/* A call; while phoenix is between two lives it is repeated. */
static int ask(uint32_t type, struct baton_message *answer, int error_to_repeat)
{
    for (unsigned attempt = 0; attempt < 2000; attempt++) {
        baton_message_init(answer, 0);
        answer->type = type;
        int result = baton_rpc(phoenix, answer, answer, 0, UINT64_C(5000000000));
        if (result == 0 || result != error_to_repeat)
            return result;
        baton_sleep(1000000);
    }
    return BATON_EDEAD;
}

static int life(unsigned number)
{
    struct baton_message answer;
    int result = ask(STATE, &answer, BATON_EDEAD);

    if (result < 0 || !answer.tag) {
        baton_log("FAILED: life %u: result %d, pristine %d", number, result,
                  result < 0 ? -1 : (int)answer.tag);
        return -1;
    }
    result = ask(FAULT, &answer, 0);
    if (result != BATON_EDEAD) {
        baton_log("FAILED: life %u: the call it died over ended with %d", number, result);
        return -1;
    }
    sent_free();
    return 0;
}

int main(void)
{
    uint64_t lives = 10;

    if (baton_setting_number("lives", 1, 1000000, &lives) < 0)
        return 1;
    phoenix = baton_port_find("phoenix");
    own_port = baton_port_find("watcher");
    for (unsigned number = 0; number < lives; number++)
        if (life(number) < 0)
            return 1;
    struct baton_message answer;
    if (ask(STATE, &answer, BATON_EDEAD) < 0 || !answer.tag)
        baton_log("FAILED: the last life");
    sent_free();
    baton_log("restart: %u lives, all pristine", (unsigned)lives);
    baton_sleep(BATON_FOREVER);
    return 0;
}
