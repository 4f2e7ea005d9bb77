# The services' C library, by its folder with include/ and lib/: picolibc of Debian's package, or newlib as
# tools/newlib.py builds it. Either was compiled for plain ARM64, so any compiler here goes with it. The kernel takes
# headers from it, and no code.
set(BATON_LIBC picolibc CACHE STRING "The services' C library: picolibc or newlib")
set_property(CACHE BATON_LIBC PROPERTY STRINGS picolibc newlib)
set(BATON_PICOLIBC /usr/lib/picolibc/aarch64-linux-gnu CACHE PATH "Where picolibc-aarch64-linux-gnu is installed")
set(BATON_NEWLIB ${CMAKE_SOURCE_DIR}/build/cache/newlib CACHE PATH "Where newlib was built")

if(BATON_LIBC STREQUAL "picolibc")
    set(libc ${BATON_PICOLIBC})
    set(BATON_LIBC_FLAGS "")
elseif(BATON_LIBC STREQUAL "newlib")
    set(libc ${BATON_NEWLIB})
    # newlib's headers must read as they did when it was built: with data for each thread, and on no Unix.
    set(BATON_LIBC_FLAGS -D__DYNAMIC_REENT__ -U__linux__ -U__gnu_linux__ -U__unix__)
else()
    message(FATAL_ERROR "BATON_LIBC is picolibc or newlib, not ${BATON_LIBC}")
endif()
set(BATON_LIBC_HEADERS ${libc}/include)
set(BATON_LIBC_LIBRARY ${libc}/lib/libc.a)
if(NOT EXISTS ${BATON_LIBC_LIBRARY})
    message(FATAL_ERROR "${BATON_LIBC} is missing (${BATON_LIBC_LIBRARY}): ./baton build --libc ${BATON_LIBC} gets it")
endif()
