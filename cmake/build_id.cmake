# Run at every build: cmake -DROOT= -DVERSION= -DHEADER= -P build_id.cmake
# safe.directory: the tree may belong to another user than the one who builds (a container, sudo).
execute_process(COMMAND git -c safe.directory=* describe --always --dirty=+ --abbrev=8 --exclude=*
                WORKING_DIRECTORY ${ROOT} OUTPUT_VARIABLE id OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET
                RESULT_VARIABLE failed)
if(failed OR NOT id)
    set(id "no git")
endif()
file(CONFIGURE OUTPUT ${HEADER} @ONLY CONTENT [[
/* Made by cmake/build_id.cmake. */
#define BATON_VERSION  "@VERSION@"
#define BATON_BUILD_ID "@id@"
]])
