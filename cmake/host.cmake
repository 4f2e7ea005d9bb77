# For test/host: the kernel's own objects compiled for this machine, where the sanitizers watch them.
#
#   baton_host_test(NAME file...)   makes the program build/host/NAME; paths as written, from that folder or the root
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
find_package(Threads REQUIRED)

set(BATON_SANITIZERS -fsanitize=address,undefined -fno-sanitize-recover=all)

function(baton_host_test name)
    add_executable(${name} ${ARGN})
    target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
    target_compile_definitions(${name} PRIVATE BATON_HOST=1 ${BATON_DEFINITIONS})
    target_compile_options(${name} PRIVATE ${BATON_COMMON_FLAGS} ${BATON_WARNINGS} ${BATON_SANITIZERS})
    target_link_options(${name} PRIVATE ${BATON_SANITIZERS})
    target_link_libraries(${name} PRIVATE cmocka Threads::Threads)
endfunction()
