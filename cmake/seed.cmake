# Seeded faults (core/seed.h): mistakes made on purpose, one at a time, to see that a test catches each. They belong to
# build trees of their own, which the tests make: the trees of the presets never hold one.
set(BATON_SEED "" CACHE STRING "A seeded fault for a test build, as in dropped-tlbi; empty: none")
if(BATON_SEED)
    if(CMAKE_BINARY_DIR MATCHES "/build/(host|virt(-clang|-none-elf)?(-newlib)?)$")
        unset(BATON_SEED CACHE)
        message(FATAL_ERROR "BATON_SEED is for test builds: give them a folder of their own (cmake -B)")
    endif()
    string(TOUPPER "SEED_${BATON_SEED}" seed)
    string(REPLACE "-" "_" seed ${seed})
    set(BATON_DEFINITIONS BATON_SEED=${seed})
endif()
