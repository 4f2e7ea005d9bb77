# The kernel's objects: compiled once, linked into every image.
#
# The floors, from the ground (an include goes beside or downwards; a test of style checks it).
set(BATON_FLOORS core mm ipc drivers boot)

# The version and the id of the commit, in build_id.h. Looked up at every build, written only when they changed.
function(baton_build_id)
    add_custom_target(build_id
        COMMAND ${CMAKE_COMMAND} -DROOT=${CMAKE_SOURCE_DIR} -DVERSION=${BATON_VERSION}
                -DHEADER=${CMAKE_BINARY_DIR}/include/build_id.h -P ${CMAKE_SOURCE_DIR}/cmake/build_id.cmake
        BYPRODUCTS ${CMAKE_BINARY_DIR}/include/build_id.h VERBATIM)
endfunction()

# The boards, each a file of board/, and the drivers that only one of them has.
set(BATON_BOARDS virt rpi4)
set(BATON_DRIVERS_virt gic_v3 gic_its gic_v2m msi pci[a-z_]* psci virtio[a-z_]* virtqueue)
set(BATON_DRIVERS_rpi4 spin_table[a-z_]* bcm2835_[a-z]*)
if(NOT BATON_BOARD IN_LIST BATON_BOARDS)
    message(FATAL_ERROR "BATON_BOARD is ${BATON_BOARD}; boards are: ${BATON_BOARDS}")
endif()

# Compiled for size. Here what no frame passes: the boot, the boards, the console, the lives of services, books and copies.
set(BATON_SMALL
    board/ boot/ core/format core/ledger core/log core/panic core/setting core/symbols
    drivers/bcm2835 drivers/commands drivers/console drivers/cpu_start drivers/gic_its drivers/gic_v2m drivers/ledger
    drivers/lives drivers/msi drivers/nic drivers/pci drivers/policy drivers/power drivers/psci drivers/spin_table
    drivers/stats drivers/trace drivers/uart drivers/virtio[.]c drivers/virtio_pci_find
    ipc/block ipc/capture ipc/copy ipc/describe ipc/fault ipc/life ipc/page[.]c ipc/page_book ipc/page_limbo ipc/page_set
    ipc/policy ipc/request ipc/service ipc/share ipc/syscall_book ipc/trace ipc/transfer_special ipc/wiring
    mm/frame mm/kernel_map)
# Without keeping ready before a loop what does not change in it: about 550 bytes of text less.
set(BATON_SMALL_FLAGS -Os "$<$<C_COMPILER_ID:GNU>:-fno-move-loop-invariants>")
# And what a batch passes once, where speed would save an instruction a frame and cost 3 KB.
set(BATON_ONCE_A_BATCH
    core/irq core/pool core/stock core/timer core/trap drivers/gic_v drivers/spread drivers/virtio_mmio drivers/virtio_net[.]c
    drivers/virtio_net_slots drivers/virtio_pci drivers/virtqueue ipc/idle ipc/message ipc/observe ipc/page_device
    ipc/page_map ipc/page_move ipc/rpc ipc/sched ipc/syscall[.]c ipc/syscall_message ipc/syscall_rpc ipc/thread ipc/transfer[.]c
    mm/invalidate mm/pagetable mm/space mm/unmap_queue)

# Of the sources, those whose names begin like one of the list are compiled with these flags.
function(baton_compile_as sources names)
    list(JOIN names "|" names)
    list(FILTER sources INCLUDE REGEX "^${CMAKE_SOURCE_DIR}/(${names})")
    set_source_files_properties(${sources} PROPERTIES COMPILE_OPTIONS "${ARGN}")
endfunction()

function(baton_kernel_objects)
    set(patterns board/*.c board/*.S)
    foreach(floor IN LISTS BATON_FLOORS)
        list(APPEND patterns ${floor}/*.c ${floor}/*.S)
    endforeach()
    file(GLOB sources CONFIGURE_DEPENDS ${patterns})
    set(others ${BATON_BOARDS})
    list(REMOVE_ITEM others ${BATON_BOARD})
    foreach(other IN LISTS others)
        list(JOIN BATON_DRIVERS_${other} "|" drivers)
        list(FILTER sources EXCLUDE REGEX "/board/${other}(_[a-z]+)?\\.[cS]$|/drivers/(${drivers})\\.[cS]$")
    endforeach()
    if(BATON_SEEDED)
        list(APPEND sources ${BATON_SEED_CHOICE} ${CMAKE_SOURCE_DIR}/test/qemu/seed_boot.c)
    endif()
    baton_build_id()
    # In this order: what is in both lists, as drivers/virtio_pci_find, is small
    baton_compile_as("${sources}" "${BATON_ONCE_A_BATCH}" -Os)
    baton_compile_as("${sources}" "${BATON_SMALL}" ${BATON_SMALL_FLAGS})
    add_library(baton_kernel OBJECT ${sources})
    add_dependencies(baton_kernel build_id)
    baton_kernel_settings(baton_kernel)
    set_source_files_properties(core/string.c PROPERTIES COMPILE_OPTIONS "${BATON_NO_IDIOMS}")
endfunction()

# Everything that ends up on the kernel's side of an image is compiled like this.
function(baton_kernel_settings target)
    target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/include)
    target_compile_definitions(${target} PRIVATE ${BATON_DEFINITIONS})
    target_compile_options(${target} PRIVATE ${BATON_KERNEL_FLAGS} "$<$<COMPILE_LANGUAGE:C>:${BATON_WARNINGS}>")
    target_link_libraries(${target} PRIVATE baton_fdt)
endfunction()

# A service that leaves the floating-point registers alone: the kernel switches those by a trap, which its data path is to be spared. Then
# it prints no floating-point numbers either, and is spared the half of printf that does (picolibc has one without).
function(baton_service_without_float target)
    target_compile_options(${target} PRIVATE -mgeneral-regs-only)
    if(BATON_LIBC STREQUAL "picolibc")
        target_link_options(${target} PRIVATE -Wl,--defsym=vfprintf=__i_vfprintf)
    endif()
endfunction()

# What every service is linked with, as far as it uses it: the start code, the calls of apps/baton.h, shared elements.
function(baton_runtime)
    file(GLOB sources CONFIGURE_DEPENDS apps/*.c apps/*.S)
    file(GLOB folders CONFIGURE_DEPENDS apps/*)
    foreach(folder IN LISTS folders)
        if(IS_DIRECTORY ${folder} AND NOT EXISTS ${folder}/CMakeLists.txt)
            file(GLOB elements CONFIGURE_DEPENDS ${folder}/*.c ${folder}/*.S)
            list(APPEND sources ${elements})
        endif()
    endforeach()
    # Of the files for one C library or one kind of compiler, those that fit.
    set(library ${CMAKE_SOURCE_DIR}/apps/lib)
    list(FILTER sources EXCLUDE REGEX "/apps/lib/(libc_[a-z]+|emutls[a-z_]*)\\.[cS]$")
    list(APPEND sources ${library}/libc_${BATON_LIBC}.c)
    if(BATON_EMULATED_TLS)
        file(GLOB emutls CONFIGURE_DEPENDS ${library}/emutls.[cS] ${library}/emutls_${BATON_LIBC}.S)
        list(APPEND sources ${emutls})
    endif()
    add_library(baton_runtime STATIC ${sources})
    baton_service_settings(baton_runtime)
    # Using the library costs no service the FP registers, which the kernel switches by a trap.
    target_compile_options(baton_runtime PRIVATE -mgeneral-regs-only)
    set_source_files_properties(${library}/memory.c PROPERTIES COMPILE_OPTIONS "${BATON_NO_IDIOMS}")
endfunction()

function(baton_service_settings target)
    target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
    target_compile_options(${target} PRIVATE ${BATON_SERVICE_FLAGS} "$<$<COMPILE_LANGUAGE:C>:${BATON_WARNINGS}>")
endfunction()
