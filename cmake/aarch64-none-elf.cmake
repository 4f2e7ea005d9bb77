# The Arm GNU toolchain, as Arm gives it out: found in the folder AARCH64_NONE_ELF (of the cache or the environment: where
# it was unpacked, or its bin), else on PATH. Only its compiler, binutils and libgcc are used: the C library is the same
# as with the other compilers (libc.cmake).
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
if(NOT AARCH64_NONE_ELF)
    set(AARCH64_NONE_ELF "$ENV{AARCH64_NONE_ELF}")
endif()
if(AARCH64_NONE_ELF)
    find_program(gcc aarch64-none-elf-gcc NO_CACHE PATHS ${AARCH64_NONE_ELF}/bin ${AARCH64_NONE_ELF} NO_DEFAULT_PATH)
else()
    find_program(gcc aarch64-none-elf-gcc NO_CACHE)
endif()
if(NOT gcc)
    message(FATAL_ERROR "aarch64-none-elf-gcc is missing: put the Arm GNU toolchain's bin folder on PATH, or name it by "
                        "AARCH64_NONE_ELF")
endif()
set(CMAKE_C_COMPILER ${gcc})
set(CMAKE_ASM_COMPILER ${gcc})
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)

# Kept: CMake may run again where the environment says nothing. ./baton makes the tree anew when it has changed.
cmake_path(GET gcc PARENT_PATH folder)
set(AARCH64_NONE_ELF ${folder} CACHE PATH "The folder of aarch64-none-elf-gcc" FORCE)
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES AARCH64_NONE_ELF)
