# Compiler settings and the two functions that declare rooms and tests.

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
# The objects are the same in static and in shared libraries, so that a compiler cache has them for both. A
# static library hides its functions in programs' own libraries by a linker option.
add_compile_definitions(DOHLE_SHARED)
add_compile_options(-fno-semantic-interposition)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

if(NOT CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(DOHLE_CCACHE ccache)
  if(DOHLE_CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${DOHLE_CCACHE})
  endif()
endif()

find_package(Threads REQUIRED)
find_package(fmt REQUIRED)

add_library(dohle_warnings INTERFACE)
target_compile_options(dohle_warnings INTERFACE -Wall -Wextra -Wconversion)
if(DOHLE_WERROR)
  target_compile_options(dohle_warnings INTERFACE -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # False alarms of g++ 12 at -O2: vectors of variants, sums of strings.
  target_compile_options(dohle_warnings INTERFACE -Wno-maybe-uninitialized -Wno-restrict)
endif()

# dohle_room(NAME SOURCES a.cpp … [LINK rooms and libraries …])
# One static library per room. It may include only what it links (tests/headers checks arrows).
function(dohle_room name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK;PRIVATE_LINK" ${ARGN})
  add_library(dohle_${name} STATIC ${ARG_SOURCES})
  # The archive goes into users' shared libraries, too.
  set_target_properties(dohle_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_include_directories(dohle_${name} PUBLIC ${PROJECT_SOURCE_DIR}/include
                                                  ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(dohle_${name} PUBLIC ${ARG_LINK} PRIVATE dohle_warnings ${ARG_PRIVATE_LINK})
endfunction()

set(DOHLE_THREADED_ROOMS telemetry net disk client messaging)

# dohle_test(NAME KIND kind SOURCES a.cpp … [LINK …] [LABELS …] [TIMEOUT seconds])
# One GoogleTest program, one ctest entry, labelled with its kind. Integration tests, and the unit tests
# of the rooms that know threads, are labelled `threaded` too: they run under TSan.
function(dohle_test name)
  cmake_parse_arguments(ARG "" "KIND;TIMEOUT" "SOURCES;LINK;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(${name} PRIVATE ${ARG_LINK} GTest::gmock GTest::gtest_main dohle_warnings)
  add_test(NAME ${ARG_KIND}.${name} COMMAND ${name})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 240)
  endif()
  cmake_path(GET CMAKE_CURRENT_SOURCE_DIR FILENAME room)
  if(ARG_KIND STREQUAL "integration" OR (ARG_KIND STREQUAL "unit" AND room IN_LIST DOHLE_THREADED_ROOMS))
    list(APPEND ARG_LABELS threaded)
  endif()
  set_tests_properties(${ARG_KIND}.${name} PROPERTIES LABELS "${ARG_KIND};${ARG_LABELS}" TIMEOUT
                                                                                  ${ARG_TIMEOUT})
  foreach(label IN LISTS ARG_KIND ARG_LABELS)
    if(NOT TARGET ${label}_tests)
      add_custom_target(${label}_tests)
    endif()
    add_dependencies(${label}_tests ${name})
  endforeach()
endfunction()
