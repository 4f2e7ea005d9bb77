/*
 * Runs cmocka tests each in a process of its own: the kernel's objects are made once at a boot, so every test boots.
 */
#ifndef TEST_HOST_CASES_H
#define TEST_HOST_CASES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

/* Runs those whose name contains `only`, or all; returns how many failed. */
static inline int cases_run(const struct CMUnitTest *tests, size_t count, const char *only)
{
    int failed = 0;

    for (size_t i = 0; i < count; i++) {
        if (only && !strstr(tests[i].name, only))
            continue;
        fflush(stdout);
        pid_t child = fork();
        if (!child)
            _exit(_cmocka_run_group_tests(tests[i].name, &tests[i], 1, NULL, NULL) != 0);
        int status = 1;
        waitpid(child, &status, 0);
        if (status) {
            printf("FAILED: %s\n", tests[i].name);
            failed++;
        }
    }
    printf("%d failed\n", failed);
    return failed;
}

#define CASES_MAIN(tests)                                                                                    \
    int main(int argc, char **argv)                                                                          \
    {                                                                                                        \
        return cases_run(tests, sizeof(tests) / sizeof((tests)[0]), argc > 1 ? argv[1] : NULL) != 0;         \
    }

#endif
