# The library that users link: the objects of all rooms in one archive, its headers, a CMake package
# and a pkg-config file.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(DOHLE_ROOMS_SHIPPED base telemetry wire frames auth net tls disk log client node properties messaging
    server)

# Static, unless BUILD_SHARED_LIBS says otherwise.
add_library(dohle_library)
if(BUILD_SHARED_LIBS)
  target_compile_definitions(dohle_library PUBLIC DOHLE_SHARED)
endif()
add_library(dohle::dohle ALIAS dohle_library)
set_target_properties(dohle_library PROPERTIES OUTPUT_NAME dohle EXPORT_NAME dohle
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
target_compile_features(dohle_library PUBLIC cxx_std_23)
target_include_directories(dohle_library PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                                $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
foreach(room IN LISTS DOHLE_ROOMS_SHIPPED)
  if(TARGET dohle_${room})
    target_sources(dohle_library PRIVATE $<TARGET_OBJECTS:dohle_${room}>)
  endif()
endforeach()

# A library of its own: it brings libcurl.
if(DOHLE_OTLP)
  add_library(dohle_otlp_library)
  add_library(dohle::otlp ALIAS dohle_otlp_library)
  set_target_properties(dohle_otlp_library PROPERTIES OUTPUT_NAME dohle_otlp EXPORT_NAME otlp
    VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
  target_sources(dohle_otlp_library PRIVATE $<TARGET_OBJECTS:dohle_otlp>)
  target_link_libraries(dohle_otlp_library PUBLIC dohle_library curl)
endif()

# What the objects need at link time. A user who includes dohle/codec/json.hpp
# brings nlohmann-json.
set(DOHLE_PKG_CONFIG_REQUIRES "fmt libssl libcrypto zlib liblz4 libzstd snappy re2")
target_link_libraries(dohle_library PUBLIC
  Threads::Threads fmt::fmt $<BUILD_INTERFACE:ssl> $<BUILD_INTERFACE:crypto> $<BUILD_INTERFACE:z> $<BUILD_INTERFACE:lz4>
  $<BUILD_INTERFACE:zstd> $<BUILD_INTERFACE:snappy> $<BUILD_INTERFACE:re2> $<INSTALL_INTERFACE:PkgConfig::dohle_codecs>)

# The optional target dohle::web, for programs that link cpp-httplib.
if(TARGET dohle_web)
  add_library(dohle_web_library STATIC $<TARGET_OBJECTS:dohle_web>)
  add_library(dohle::web ALIAS dohle_web_library)
  set_target_properties(dohle_web_library PROPERTIES OUTPUT_NAME dohle_web EXPORT_NAME web)
  target_link_libraries(dohle_web_library PUBLIC dohle_library
    PRIVATE $<BUILD_INTERFACE:PkgConfig::httplib> $<INSTALL_INTERFACE:cpp-httplib>)
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
install(TARGETS dohle_library EXPORT dohle ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/README.md
              ${PROJECT_SOURCE_DIR}/CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs DESTINATION ${CMAKE_INSTALL_DOCDIR}
        FILES_MATCHING PATTERN "*.md")
if(DOHLE_OTLP)
  install(TARGETS dohle_otlp_library EXPORT dohle ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
          LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()
if(TARGET dohle_web_library)
  install(TARGETS dohle_web_library EXPORT dohle ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()
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
# Relative to the file itself, so that the installed tree may be moved.
file(RELATIVE_PATH DOHLE_PREFIX_FROM_PC /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(${PROJECT_SOURCE_DIR}/cmake/dohle.pc.in ${PROJECT_BINARY_DIR}/dohle.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/dohleConfig.cmake ${PROJECT_BINARY_DIR}/dohleConfigVersion.cmake
        DESTINATION ${package_dir})
install(FILES ${PROJECT_BINARY_DIR}/dohle.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
