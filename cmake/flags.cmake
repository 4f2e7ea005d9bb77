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
        execute_process(COMMAND ${ARGN} OUTPUT_VARIABLE answer OUTPUT_STRIP_TRAILING_WHITESPACE
                        COMMAND_ERROR_IS_FATAL ANY)
        set(${result} ${answer} PARENT_SCOPE)
    endfunction()
    set(as_target "")
    if(CMAKE_C_COMPILER_TARGET)
        set(as_target --target=${CMAKE_C_COMPILER_TARGET})
    endif()
    baton_ask(compiler_headers ${CMAKE_C_COMPILER} ${as_target} -print-file-name=include)
    set(BATON_SYSTEM_HEADERS
        -nostdinc "SHELL:-isystem ${compiler_headers}" "SHELL:-isystem ${BATON_LIBC_HEADERS}" ${BATON_LIBC_FLAGS})

    # What the compiler calls for want of an instruction.
    if(NOT BATON_BUILTINS_OF)
        set(BATON_BUILTINS_OF ${CMAKE_C_COMPILER})
    endif()
    baton_ask(BATON_BUILTINS ${BATON_BUILTINS_OF} -print-libgcc-file-name)

    # Unwind tables would be dead weight: backtraces follow the frame pointers. No LSE: a Cortex-A72 has none, and
    # the out-of-line atomics of GCC ask a Linux libc which to take.
    set(BATON_TARGET_FLAGS
        -mcpu=cortex-a72 -mno-outline-atomics -fno-pie -fno-stack-protector -fno-asynchronous-unwind-tables
        -fno-unwind-tables ${BATON_SYSTEM_HEADERS})

    # tiny: the kernel names what is in the image by one instruction and not by two, as far as 1 MiB; boot/kernel.ld checks it.
    set(BATON_CODE_MODEL tiny CACHE STRING "tiny, or small for an image of more than 1 MiB")
    set_property(CACHE BATON_CODE_MODEL PROPERTY STRINGS tiny small)

    # The kernel leaves the FP registers to the services. -fbuiltin after -ffreestanding: small copies are inlined. Functions begin
    # anywhere: at every 16 bytes, as for speed, an image would be 2 KB larger. Nor does GCC fill up in front of loops (clang does not).
    set(BATON_KERNEL_FLAGS ${BATON_COMMON_FLAGS} ${BATON_TARGET_FLAGS} -mgeneral-regs-only -ffreestanding -fbuiltin
                           -falign-functions=4 -mcmodel=${BATON_CODE_MODEL}
                           "$<$<C_COMPILER_ID:GNU>:-fno-align-jumps;-fno-align-loops>")

    set(BATON_SERVICE_FLAGS
        ${BATON_COMMON_FLAGS} ${BATON_TARGET_FLAGS} -ftls-model=local-exec -ffunction-sections -fdata-sections
        -falign-functions=4)

    # The Arm GNU toolchain's GCC may have been built without thread-local variables (--disable-tls): apps/lib/emutls.c.
    file(WRITE ${CMAKE_BINARY_DIR}/tls.c "_Thread_local int a; int f(void) { return a; }\n")
    separate_arguments(flags UNIX_COMMAND "${CMAKE_C_FLAGS}")
    baton_ask(assembly ${CMAKE_C_COMPILER} ${as_target} ${flags} -S -o - ${CMAKE_BINARY_DIR}/tls.c)
    string(FIND "${assembly}" __emutls_get_address found)
    set(BATON_EMULATED_TLS OFF)
    if(NOT found EQUAL -1)
        set(BATON_EMULATED_TLS ON)
        list(APPEND BATON_SERVICE_FLAGS -D__PICOLIBC_ERRNO_FUNCTION=library_errno)
    endif()

    # How the linker is called, for programs and kernel. Debian's GCC would make everything position independent.
    set(BATON_LINK_FLAGS
        -nostdlib -static -Wl,--build-id=none -Wl,--fatal-warnings -Wl,-z,max-page-size=4096)
    if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
        # Debian's would also cure an erratum of the Cortex-A53, which pads the text with a page when an address happens to lie badly.
        list(APPEND BATON_LINK_FLAGS -no-pie -mno-fix-cortex-a53-843419)
    endif()

    # For files that are memcpy and its like: the compiler would see the loop in memcpy and make it a call of memcpy.
    set(BATON_NO_IDIOMS -fno-builtin)
    if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
        list(APPEND BATON_NO_IDIOMS -fno-tree-loop-distribute-patterns)
    endif()
endif()
