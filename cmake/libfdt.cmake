# libfdt for the kernel: a static library and headers, fetched by tools/setup.py to build/cache/libfdt.
set(BATON_LIBFDT ${CMAKE_SOURCE_DIR}/build/cache/libfdt/usr CACHE PATH "Where libfdt-dev:arm64 was unpacked")
set(library ${BATON_LIBFDT}/lib/aarch64-linux-gnu/libfdt.a)
if(NOT EXISTS ${library})
    message(FATAL_ERROR "libfdt is missing: ./baton build fetches it to build/cache")
endif()
add_library(baton_fdt STATIC IMPORTED)
set_target_properties(baton_fdt PROPERTIES IMPORTED_LOCATION ${library})
target_include_directories(baton_fdt SYSTEM INTERFACE ${BATON_LIBFDT}/include)
