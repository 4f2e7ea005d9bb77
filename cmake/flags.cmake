# How C is compiled: what all code shares, what the kernel adds, what a service adds.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_C_STANDARD_REQUIRED ON)

set(BATON_WARNINGS
    -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wundef -Wvla
    -Wpointer-arith -Wwrite-strings -Wimplicit-fallthrough -Wformat=2)

# __FILE__ begins at the root of the tree: panics and assertions tell the same in everyone's image.
set(BATON_COMMON_FLAGS -O2 -g -fno-common -fno-omit-frame-pointer -fmacro-prefix-map=${CMAKE_SOURCE_DIR}/=)

if(NOT BATON_HOST)
    # Host headers leak in silently, so no include folder is searched but those named here.
    function(baton_ask result)
        execute_process(COMMAND ${CMAKE_C_COMPILER} ${ARGN} OUTPUT_VARIABLE answer OUTPUT_STRIP_TRAILING_WHITESPACE
                        COMMAND_ERROR_IS_FATAL ANY)
        set(${result} ${answer} PARENT_SCOPE)
    endfunction()
    baton_ask(compiler_headers -print-file-name=include)
    baton_ask(libc_specs -print-file-name=picolibc.specs)
    if(NOT IS_ABSOLUTE "${libc_specs}")
        message(FATAL_ERROR "picolibc is not installed for this compiler: ./baton build installs it")
    endif()
    file(STRINGS ${libc_specs} libc_headers REGEX "buildtype.*:[^:;]*/include}" LIMIT_COUNT 1)
    string(REGEX MATCH ":(/[^:;{}]*/include)}" ignored "${libc_headers}")
    set(BATON_LIBC_HEADERS ${CMAKE_MATCH_1})
    set(BATON_SYSTEM_HEADERS
        -nostdinc "SHELL:-isystem ${compiler_headers}" "SHELL:-isystem ${BATON_LIBC_HEADERS}")

    # Unwind tables would be dead weight: backtraces follow the frame pointers. No LSE: a Cortex-A72 has none, and
    # the out-of-line atomics of GCC ask a Linux libc which to take.
    set(BATON_TARGET_FLAGS
        -mcpu=cortex-a72 -mno-outline-atomics -fno-pie -fno-stack-protector -fno-asynchronous-unwind-tables
        -fno-unwind-tables ${BATON_SYSTEM_HEADERS})

    # The kernel leaves the FP registers to the services. -fbuiltin after -ffreestanding: small copies are inlined.
    set(BATON_KERNEL_FLAGS ${BATON_COMMON_FLAGS} ${BATON_TARGET_FLAGS} -mgeneral-regs-only -ffreestanding -fbuiltin)

    set(BATON_SERVICE_FLAGS
        ${BATON_COMMON_FLAGS} ${BATON_TARGET_FLAGS} ${BATON_LIBC_FLAGS} -ffunction-sections -fdata-sections)
endif()
