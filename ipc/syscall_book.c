/* System calls on books: see apps/baton.h. */
#include "ipc/syscall_book.h"
#include "core/abi.h"
#include "ipc/page_book.h"
#include "ipc/service.h"
#include "ipc/transfer.h"

int64_t syscall_book_get(struct service *service, const uint64_t *args)
{
    return args[0] > UINT32_MAX ? BATON_EINVAL : book_get(service->space, (uint32_t)args[0]);
}

int64_t syscall_book_bind(struct service *service, const uint64_t *args)
{
    struct baton_piece pieces[BATON_BATCH];

    if (!args[2] || args[2] > BATON_BATCH || args[0] > UINT32_MAX)
        return BATON_EINVAL;
    if (transfer_read(service, pieces, args[1], args[2] * sizeof(pieces[0])))
        return BATON_EFAULT;
    return book_bind(service->space, (uint32_t)args[0], pieces, (unsigned)args[2]);
}

int64_t syscall_book_unbind(struct service *service, const uint64_t *args)
{
    struct baton_piece pieces[BATON_BATCH];

    if (!args[2] || args[2] > BATON_BATCH || args[0] > UINT32_MAX)
        return BATON_EINVAL;
    if (!transfer_writable(service, args[1], args[2] * sizeof(pieces[0])))
        return BATON_EFAULT;
    int count = book_unbind(service->space, (uint32_t)args[0], pieces, (unsigned)args[2]);
    if (count > 0 && transfer_write(service, args[1], pieces, (unsigned)count * sizeof(pieces[0])))
        return BATON_EFAULT;
    return count;
}

int64_t syscall_book_trim(struct service *service, const uint64_t *args)
{
    if (args[0] > UINT32_MAX || args[1] > UINT32_MAX || args[2] > UINT32_MAX)
        return BATON_EINVAL;
    return book_trim(service->space, (uint32_t)args[0], (uint32_t)args[1], (uint32_t)args[2]);
}
