# From services to an image.
#
#   baton_appliance(switch SERVICES forward=forward.c,table.c [control=control.c ...])
#   baton_appliance(besieged-switch LIKE switch SERVICES besieger=besieger.c)
#
# stands in the appliance's folder, beside appliance.c with its tables. It makes the target `switch`, and with it
#
#   services/switch-forward.elf   each service, linked by itself at an address of its own (a slot of core/layout.h)
#   switch.elf                    the kernel with the services laid into it, and with all symbols
#   switch.img                    what boots
#
# in the build tree. With LIKE, the programs of that appliance come first: the same files, at the same addresses. The stations on the way: link the services; tools/programs.py lays their segments into the image
# and fills programs[]; link the image; tools/symbols.py takes the functions' names from it; link it again with them.
find_package(Python3 3.9 REQUIRED COMPONENTS Interpreter)

function(baton_layout name result)
    file(STRINGS ${CMAKE_SOURCE_DIR}/core/layout.h line REGEX "#define ${name} " LIMIT_COUNT 1)
    string(REGEX MATCH "0x[0-9a-f]+" value "${line}")
    set(${result} ${value} PARENT_SCOPE)
endfunction()
baton_layout(SLOT_BASE BATON_SLOT_BASE)
baton_layout(SLOT_SIZE BATON_SLOT_SIZE)
baton_layout(IMAGE_BASE BATON_IMAGE_BASE)

# One service, in the slot of that number.
function(baton_service target slot sources)
    math(EXPR base "${BATON_SLOT_BASE} + ${slot} * ${BATON_SLOT_SIZE}" OUTPUT_FORMAT HEXADECIMAL)
    set(script ${CMAKE_SOURCE_DIR}/apps/service.ld)
    add_executable(${target} ${sources})
    baton_service_settings(${target})
    target_link_libraries(${target} PRIVATE baton_runtime ${BATON_LIBC_LIBRARY} ${BATON_BUILTINS})
    target_link_options(${target} PRIVATE ${BATON_LINK_FLAGS} -T ${script} -Wl,--gc-sections
                        -Wl,--defsym=SERVICE_BASE=${base})
    set_target_properties(${target} PROPERTIES LINK_DEPENDS ${script} SUFFIX .elf
                          RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/services)
endfunction()

# The kernel, the appliance's tables and its services in one ELF file.
function(baton_link target file)
    set(script ${CMAKE_SOURCE_DIR}/boot/kernel.ld)
    add_executable(${target} $<TARGET_OBJECTS:baton_kernel> ${ARGN})
    baton_kernel_settings(${target})
    target_link_options(${target} PRIVATE ${BATON_LINK_FLAGS} -T ${script} -Wl,-z,noexecstack
                        -Wl,--defsym=tiny_code=$<STREQUAL:${BATON_CODE_MODEL},tiny>)
    target_link_libraries(${target} PRIVATE ${BATON_BUILTINS})
    set_target_properties(${target} PROPERTIES LINK_DEPENDS ${script} OUTPUT_NAME ${file} SUFFIX .elf
                          RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
endfunction()

function(baton_appliance name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" LIKE SERVICES)
    if(arg_UNPARSED_ARGUMENTS OR NOT arg_SERVICES)
        message(FATAL_ERROR "baton_appliance(${name} [LIKE appliance] SERVICES program=file.c[,file.c] ...), not: ${ARGN}")
    endif()
    set(parts ${CMAKE_BINARY_DIR}/parts/${name})
    file(MAKE_DIRECTORY ${parts})

    if(arg_LIKE)
        get_property(services GLOBAL PROPERTY BATON_SERVICES_${arg_LIKE})
        get_property(pairs GLOBAL PROPERTY BATON_PROGRAMS_${arg_LIKE})
    endif()
    list(LENGTH services slot)
    foreach(service IN LISTS arg_SERVICES)
        if(NOT service MATCHES "^([a-z][a-z0-9_-]*)=(.+)$")
            message(FATAL_ERROR "baton_appliance(${name}): `${service}` is not program=file.c[,file.c]")
        endif()
        set(program ${CMAKE_MATCH_1})
        string(REPLACE "," ";" sources ${CMAKE_MATCH_2})
        baton_service(${name}-${program} ${slot} "${sources}")
        list(APPEND services ${name}-${program})
        list(APPEND pairs ${program}=$<TARGET_FILE:${name}-${program}>)
        math(EXPR slot "${slot} + 1")
    endforeach()
    set_property(GLOBAL PROPERTY BATON_SERVICES_${name} ${services})
    set_property(GLOBAL PROPERTY BATON_PROGRAMS_${name} ${pairs})

    set(tool ${CMAKE_SOURCE_DIR}/tools/programs.py)
    add_custom_command(OUTPUT ${parts}/programs.c ${parts}/programs.S
        COMMAND ${Python3_EXECUTABLE} ${tool} ${parts} ${pairs}
        DEPENDS ${tool} ${services} COMMENT "Laying out the services of ${name}" VERBATIM)
    set(sources appliance.c ${parts}/programs.c ${parts}/programs.S)

    set(tool ${CMAKE_SOURCE_DIR}/tools/symbols.py)
    add_custom_command(OUTPUT ${parts}/no-symbols.S
        COMMAND ${Python3_EXECUTABLE} ${tool} ${parts}/no-symbols.S DEPENDS ${tool} VERBATIM)
    baton_link(${name}-unnamed parts/${name}/unnamed ${sources} ${parts}/no-symbols.S)
    set(names --nm ${CMAKE_NM} --base ${BATON_IMAGE_BASE})
    add_custom_command(OUTPUT ${parts}/symbols.S
        COMMAND ${Python3_EXECUTABLE} ${tool} ${parts}/symbols.S ${names} --elf $<TARGET_FILE:${name}-unnamed>
        DEPENDS ${tool} ${name}-unnamed COMMENT "Naming the functions of ${name}" VERBATIM)
    baton_link(${name}-elf ${name} ${sources} ${parts}/symbols.S)

    set(image ${CMAKE_BINARY_DIR}/${name}.img)
    add_custom_command(OUTPUT ${image}
        COMMAND ${Python3_EXECUTABLE} ${tool} ${parts}/symbols.S ${names} --elf $<TARGET_FILE:${name}-elf> --check
        COMMAND ${CMAKE_OBJCOPY} -O binary $<TARGET_FILE:${name}-elf> ${image}
        DEPENDS ${tool} ${name}-elf COMMENT "Image ${name}.img" VERBATIM)
    add_custom_target(${name} ALL DEPENDS ${image})
    set_property(DIRECTORY APPEND PROPERTY BATON_APPLIANCES ${name})
endfunction()
