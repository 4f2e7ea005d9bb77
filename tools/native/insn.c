/*
 * Counts the guest's instructions: a plugin for QEMU's TCG (plugin API 2 to 4, that is QEMU 9.0 and later).
 *
 *     qemu-system-aarch64 ... -plugin insn.so,socket=PATH[,profile=on][,accesses=on]
 *
 * The count is served on a unix socket, so that a test can take it at two points of a running guest and use
 * the difference. One letter asks, and one answer comes back on the same connection:
 *
 *     c    the instructions executed so far by all vCPUs, in decimal, and a newline; with profile=on that moment is marked
 *     i    (accesses=on) the loads and stores so far that went to a device and not to memory, in the same form; 0 without.
 *          The GIC's system registers are none of these
 *     p    (profile=on) one line "ADDRESS COUNT COUNT ..." for each address ever executed, with a count for each of the
 *          first 8 vCPUs, then an empty line
 *     d    (profile=on) the same of what was executed between the last two marks
 *
 * Owns: the counters. Each vCPU's thread adds to its own cell, the serving thread reads them all; a read that
 * races with a running vCPU is therefore at most the instructions of that moment off. The profile has a cell for each
 * address and vCPU; the eighth vCPU and those beyond share one.
 *
 * Every instruction calls back: slow (about 5 ns each), but exact, also when an exception leaves a block half
 * way.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The part of QEMU's public plugin interface that is used here, declared so that no header of QEMU is needed.
 */
typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef void (*tb_translate_callback)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void (*vcpu_callback)(unsigned int vcpu, void *userdata);
typedef uint32_t qemu_plugin_meminfo_t;
struct qemu_plugin_hwaddr;
typedef void (*memory_callback)(unsigned int vcpu, qemu_plugin_meminfo_t info, uint64_t address,
                                void *userdata);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, tb_translate_callback callback);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, vcpu_callback callback, int flags,
                                            void *userdata);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn, memory_callback callback, int flags,
                                      int which, void *userdata);
struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr(qemu_plugin_meminfo_t info, uint64_t address);
bool qemu_plugin_hwaddr_is_io(const struct qemu_plugin_hwaddr *address);
#define PLUGIN_CB_NO_REGS 0
#define PLUGIN_MEM_RW     3
#define EXPORT            __attribute__((visibility("default")))
EXPORT int qemu_plugin_version = 2;

#define VCPUS 64
static struct {
    uint64_t count, accesses;
    char own_cache_line[48];
} cells[VCPUS];

/* Profile: open addressing by the instruction's address; grown never, so addresses beyond its size are not
 * shown. */
#define PROFILE_SLOTS (1u << 18)
#define PROFILE_VCPUS 8
struct slot {
    uint64_t address, count[PROFILE_VCPUS], mark[2][PROFILE_VCPUS]; /* the last mark, and the one before */
};
static struct slot *profile;
static uint32_t used[PROFILE_SLOTS], used_count; /* slots with an address, so that a mark is quickly made */
static pthread_mutex_t profile_lock = PTHREAD_MUTEX_INITIALIZER;
static bool counts_accesses;
static int listener;

static void count_instruction(unsigned int vcpu, void *slot)
{
    cells[vcpu % VCPUS].count++;
    if (slot)
        ((struct slot *)slot)->count[vcpu < PROFILE_VCPUS ? vcpu : PROFILE_VCPUS - 1]++;
}

static void look_at_access(unsigned int vcpu, qemu_plugin_meminfo_t info, uint64_t address, void *unused)
{
    struct qemu_plugin_hwaddr *place = qemu_plugin_get_hwaddr(info, address);

    (void)unused;
    if (place && qemu_plugin_hwaddr_is_io(place))
        cells[vcpu % VCPUS].accesses++;
}

static struct slot *slot_of(uint64_t address)
{
    struct slot *found = NULL;

    if (!profile)
        return NULL;
    pthread_mutex_lock(&profile_lock);
    for (uint32_t probe = 0; probe < 64 && !found; probe++) {
        struct slot *slot = &profile[((address >> 2) * 2654435761u + probe) % PROFILE_SLOTS];
        if (slot->address == 0) {
            slot->address = address;
            used[used_count] = (uint32_t)(slot - profile);
            __atomic_store_n(&used_count, used_count + 1, __ATOMIC_RELEASE);
        }
        if (slot->address == address)
            found = slot;
    }
    pthread_mutex_unlock(&profile_lock);
    return found;
}

static void translate_block(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        qemu_plugin_register_vcpu_insn_exec_cb(insn, count_instruction, PLUGIN_CB_NO_REGS,
                                               slot_of(qemu_plugin_insn_vaddr(insn)));
        if (counts_accesses)
            qemu_plugin_register_vcpu_mem_cb(insn, look_at_access, PLUGIN_CB_NO_REGS, PLUGIN_MEM_RW, NULL);
    }
}

static void profile_mark(void)
{
    uint32_t count = __atomic_load_n(&used_count, __ATOMIC_ACQUIRE);

    for (uint32_t i = 0; i < count; i++) {
        struct slot *slot = &profile[used[i]];
        memcpy(slot->mark[1], slot->mark[0], sizeof(slot->mark[1]));
        memcpy(slot->mark[0], slot->count, sizeof(slot->mark[0]));
    }
}

static void profile_print(FILE *client, bool between_marks)
{
    uint32_t count = __atomic_load_n(&used_count, __ATOMIC_ACQUIRE);

    for (uint32_t i = 0; i < count; i++) {
        const struct slot *slot = &profile[used[i]];
        fprintf(client, "%" PRIx64, slot->address);
        for (int vcpu = 0; vcpu < PROFILE_VCPUS; vcpu++)
            fprintf(client, " %" PRIu64,
                    between_marks ? slot->mark[0][vcpu] - slot->mark[1][vcpu] : slot->count[vcpu]);
        fprintf(client, "\n");
    }
    fprintf(client, "\n");
}

static void answer(FILE *client, int request)
{
    uint64_t sum = 0;

    if (request == 'c' || request == 'i') {
        for (int i = 0; i < VCPUS; i++)
            sum += __atomic_load_n(request == 'c' ? &cells[i].count : &cells[i].accesses, __ATOMIC_RELAXED);
        if (request == 'c')
            profile_mark();
        fprintf(client, "%" PRIu64 "\n", sum);
    } else if (request == 'p' || request == 'd') {
        profile_print(client, request == 'd');
    }
    fflush(client);
}

static void *serve(void *unused)
{
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        char request;
        FILE *client;

        if (fd < 0)
            return unused;
        client = fdopen(fd, "w");
        while (client && read(fd, &request, 1) == 1)
            answer(client, request);
        if (client)
            fclose(client);
    }
}

static int listen_on(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    pthread_t thread;

    if (strlen(path) >= sizeof(address.sun_path))
        return -1;
    strcpy(address.sun_path, path);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 4))
        return -1;
    return pthread_create(&thread, NULL, serve, NULL);
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
    const char *path = NULL;

    (void)info;
    for (int i = 0; i < argc; i++) {
        if (!strncmp(argv[i], "socket=", 7)) {
            path = argv[i] + 7;
        } else if (!strcmp(argv[i], "profile=on")) {
            profile = calloc(PROFILE_SLOTS, sizeof(*profile));
        } else if (!strcmp(argv[i], "accesses=on")) {
            counts_accesses = true;
        } else {
            fprintf(stderr, "insn: unknown argument %s\n", argv[i]);
            return -1;
        }
    }
    if (!path || listen_on(path)) {
        fprintf(stderr, "insn: socket=PATH is needed, and must be a new name of at most 107 characters\n");
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translate_block);
    return 0;
}
