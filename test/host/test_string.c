/*
 * core/string.c against the C library, at every small size, alignment and overlap.
 */
#include "test/host/kernel_names.h"
#include "core/string.h"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef memchr
#undef strlen
#undef strnlen
#undef strcmp
#undef strncmp
#undef strchr
#undef strrchr
#include "test/host/cases.h"

#include <stdlib.h>

#define SIZE 80

/* Exactly `size` bytes, so that the sanitizer sees every access beside them. */
static uint8_t *bytes_make(size_t size, unsigned seed)
{
    uint8_t *bytes = calloc(size ? size : 1, 1);

    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(seed + i * 37);
    return bytes;
}

static int sign(int value)
{
    return (value > 0) - (value < 0);
}

static void test_copy_and_fill(void **state)
{
    (void)state;
    for (size_t size = 0; size < SIZE; size++)
        for (size_t skew = 0; skew < 9; skew++) {
            uint8_t *from = bytes_make(size + skew, 1), *to = bytes_make(size, 2);
            assert_ptr_equal(kernel_memcpy(to, from + skew, size), to);
            assert_memory_equal(to, from + skew, size);
            assert_ptr_equal(kernel_memset(to, 0x1a5, size), to);
            for (size_t i = 0; i < size; i++)
                assert_int_equal(to[i], 0xa5);
            free(from);
            free(to);
        }
}

static void test_move(void **state)
{
    (void)state;
    for (size_t size = 0; size < SIZE; size++)
        for (size_t from = 0; from < 40; from++)
            for (size_t to = 0; to < 40; to++) {
                uint8_t *ours = bytes_make(size + 40, 3), *theirs = bytes_make(size + 40, 3);
                assert_ptr_equal(kernel_memmove(ours + to, ours + from, size), ours + to);
                memmove(theirs + to, theirs + from, size);
                assert_memory_equal(ours, theirs, size + 40);
                free(ours);
                free(theirs);
            }
}

static void test_compare_and_find(void **state)
{
    (void)state;
    for (size_t size = 0; size < SIZE; size++) {
        uint8_t *a = bytes_make(size, 5), *b = bytes_make(size, 5);
        assert_int_equal(kernel_memcmp(a, b, size), 0);
        for (size_t i = 0; i < size; i++) {
            b[i] ^= 0x80;
            assert_int_equal(sign(kernel_memcmp(a, b, size)), sign(memcmp(a, b, size)));
            b[i] ^= 0x80;
            assert_ptr_equal(kernel_memchr(a, a[i], size), memchr(a, a[i], size));
        }
        assert_null(kernel_memchr(a, 5, 0));
        free(a);
        free(b);
    }
}

static void test_text(void **state)
{
    static const char *const texts[] = {"",  "a",    "ab",    "abc",    "abd",
                                        "b", "\xff", "a\xff", "abcabc", "aaaaaaaaaaaaaaaaa"};
    const unsigned count = sizeof(texts) / sizeof(texts[0]);

    (void)state;
    for (unsigned i = 0; i < count; i++) {
        const char *text = texts[i];
        assert_int_equal(kernel_strlen(text), strlen(text));
        for (size_t n = 0; n < 20; n++)
            assert_int_equal(kernel_strnlen(text, n), strnlen(text, n));
        for (int c = 0; c < 256; c++) {
            assert_ptr_equal(kernel_strchr(text, c), strchr(text, c));
            assert_ptr_equal(kernel_strrchr(text, c), strrchr(text, c));
        }
        for (unsigned k = 0; k < count; k++) {
            assert_int_equal(sign(kernel_strcmp(text, texts[k])), sign(strcmp(text, texts[k])));
            for (size_t n = 0; n < 8; n++)
                assert_int_equal(sign(kernel_strncmp(text, texts[k], n)), sign(strncmp(text, texts[k], n)));
        }
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_copy_and_fill),
    cmocka_unit_test(test_move),
    cmocka_unit_test(test_compare_and_find),
    cmocka_unit_test(test_text),
};

CASES_MAIN(tests)
