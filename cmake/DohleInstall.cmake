# The libraries that users link, each with the objects of its rooms, their headers, a CMake package and a
# pkg-config file.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(DOHLE_ROOMS_SHIPPED base telemetry wire frames auth net tls disk log client node properties messaging
    server)

# dohle_public_library(TARGET NAME OBJECTS rooms … [ON libraries …] [LINK libraries …] [INTERNAL rooms …])
# Static, unless BUILD_SHARED_LIBS says otherwise. It holds the objects of its rooms. Programs also link
# what is in ON, and with a static library what is in LINK. INTERNAL names rooms in a library of ON, whose
# hidden functions this one calls: a shared library has copies of those.
function(dohle_public_library target name)
  cmake_parse_arguments(ARG "" "" "OBJECTS;ON;LINK;INTERNAL" ${ARGN})
  add_library(${target})
  add_library(dohle::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name} INSTALL_RPATH "$ORIGIN"
    VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
  target_sources(${target} PRIVATE ${ARG_OBJECTS})
  target_link_libraries(${target} PUBLIC ${ARG_ON})
  if(BUILD_SHARED_LIBS)
    target_link_libraries(${target} PRIVATE ${ARG_LINK} ${ARG_INTERNAL})
    target_link_options(${target} PRIVATE LINKER:--no-undefined LINKER:--exclude-libs,ALL)
  else()
    target_link_libraries(${target} PUBLIC ${ARG_LINK})
  endif()
endfunction()

# What the objects need at link time. A user who includes dohle/codec/json.hpp brings nlohmann-json.
set(DOHLE_PKG_CONFIG_REQUIRES "fmt libssl libcrypto zlib liblz4 libzstd snappy re2")
set(objects)
foreach(room IN LISTS DOHLE_ROOMS_SHIPPED)
  if(TARGET dohle_${room})
    list(APPEND objects $<TARGET_OBJECTS:dohle_${room}>)
  endif()
endforeach()
dohle_public_library(dohle_library dohle OBJECTS ${objects} ON Threads::Threads LINK
  fmt::fmt $<BUILD_INTERFACE:ssl> $<BUILD_INTERFACE:crypto> $<BUILD_INTERFACE:z> $<BUILD_INTERFACE:lz4>
  $<BUILD_INTERFACE:zstd> $<BUILD_INTERFACE:snappy> $<BUILD_INTERFACE:re2> $<INSTALL_INTERFACE:PkgConfig::dohle_codecs>)
set_target_properties(dohle_library PROPERTIES OUTPUT_NAME dohle)
target_compile_features(dohle_library PUBLIC cxx_std_23)
target_include_directories(dohle_library PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                                $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
if(BUILD_SHARED_LIBS)
  target_compile_definitions(dohle_library PUBLIC DOHLE_SHARED)
else()
  target_link_options(dohle_library INTERFACE LINKER:--exclude-libs,libdohle.a)
endif()
set(DOHLE_INSTALLED dohle_library)

# A library of its own: it brings libcurl.
if(DOHLE_OTLP)
  dohle_public_library(dohle_otlp_library otlp OBJECTS $<TARGET_OBJECTS:dohle_otlp> ON dohle_library
    LINK curl INTERNAL dohle_telemetry dohle_base)
  set_target_properties(dohle_otlp_library PROPERTIES OUTPUT_NAME dohle_otlp)
  list(APPEND DOHLE_INSTALLED dohle_otlp_library)
endif()

# The optional target dohle::web, for programs that link cpp-httplib.
if(TARGET dohle_web)
  dohle_public_library(dohle_web_library web OBJECTS $<TARGET_OBJECTS:dohle_web> ON dohle_library
    INTERNAL dohle_base)
  set_target_properties(dohle_web_library PROPERTIES OUTPUT_NAME dohle_web)
  target_link_libraries(dohle_web_library
    PRIVATE $<BUILD_INTERFACE:PkgConfig::httplib> $<INSTALL_INTERFACE:cpp-httplib>)
  list(APPEND DOHLE_INSTALLED dohle_web_library)
endif()

# The optional target dohle::testing, for tests of programs. It uses what a shared library hides.
if(TARGET dohle_testing AND NOT BUILD_SHARED_LIBS)
  dohle_public_library(dohle_testing_library testing OBJECTS $<TARGET_OBJECTS:dohle_testing> ON dohle_library)
  set_target_properties(dohle_testing_library PROPERTIES OUTPUT_NAME dohle_testing)
  list(APPEND DOHLE_INSTALLED dohle_testing_library)
endif()

# For programs that include dohle/codec/protobuf.hpp. The library itself never links protobuf. An
# installed tree has it as the package's component protobuf.
find_package(Protobuf 3.12 QUIET)
if(Protobuf_FOUND)
  add_library(dohle_protobuf INTERFACE)
  add_library(dohle::protobuf ALIAS dohle_protobuf)
  target_link_libraries(dohle_protobuf INTERFACE dohle::dohle protobuf::libprotobuf)
endif()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/dohle)
# A build of some targets alone, as of scripts/demo, has no library to install.
install(CODE "
  if(NOT EXISTS \"$<TARGET_FILE:dohle_library>\")
    message(FATAL_ERROR \"The library is not built. Build everything first: cmake --build ${PROJECT_BINARY_DIR}\")
  endif()")
install(TARGETS ${DOHLE_INSTALLED} EXPORT dohle ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/README.md
              ${PROJECT_SOURCE_DIR}/CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs DESTINATION ${CMAKE_INSTALL_DOCDIR}
        FILES_MATCHING PATTERN "*.md")
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/dohle DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.hpp")
install(EXPORT dohle NAMESPACE dohle:: FILE dohleTargets.cmake DESTINATION ${package_dir})
foreach(command dohle dohle_command)
  if(TARGET ${command})
    install(TARGETS ${command} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
endforeach()

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/dohleConfig.cmake.in
  ${PROJECT_BINARY_DIR}/dohleConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/dohleConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
set(DOHLE_PKG_CONFIG_CFLAGS)
set(DOHLE_PKG_CONFIG_LIBS " -Wl,--exclude-libs,libdohle.a")
if(BUILD_SHARED_LIBS)
  # A program links what it calls.
  set(DOHLE_PKG_CONFIG_REQUIRES)
  set(DOHLE_PKG_CONFIG_CFLAGS " -DDOHLE_SHARED")
  set(DOHLE_PKG_CONFIG_LIBS)
endif()
# Relative to the file itself, so that the installed tree may be moved.
file(RELATIVE_PATH DOHLE_PREFIX_FROM_PC /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(${PROJECT_SOURCE_DIR}/cmake/dohle.pc.in ${PROJECT_BINARY_DIR}/dohle.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/dohleConfig.cmake ${PROJECT_BINARY_DIR}/dohleConfigVersion.cmake
        DESTINATION ${package_dir})
install(FILES ${PROJECT_BINARY_DIR}/dohle.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
