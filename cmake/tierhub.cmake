# What every library, program and test of TierHub is built with.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

add_library(tierhub_options INTERFACE)
target_include_directories(tierhub_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(tierhub_options INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual)
target_compile_definitions(tierhub_options INTERFACE _GNU_SOURCE TIERHUB_VERSION="${PROJECT_VERSION}")
target_link_libraries(tierhub_options INTERFACE Threads::Threads)
if(TIERHUB_WERROR)
  target_compile_options(tierhub_options INTERFACE -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # False alarms of g++ 12: -Wrestrict in std::string at -O2, the others inside tl::expected.
  target_compile_options(tierhub_options INTERFACE -Wno-restrict -Wno-maybe-uninitialized)
endif()
if(TIERHUB_SANITIZER STREQUAL "address")
  target_compile_options(tierhub_options INTERFACE -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
  target_link_options(tierhub_options INTERFACE -fsanitize=address,undefined)
elseif(TIERHUB_SANITIZER STREQUAL "thread")
  target_compile_options(tierhub_options INTERFACE -fsanitize=thread -Wno-tsan)
  target_link_options(tierhub_options INTERFACE -fsanitize=thread)
endif()

# Unity builds compile a folder's sources together: three times as fast where a whole build is wanted. The dev and tidy
# presets compile each by itself, which shows what a source forgot to include.
function(tierhub_unity target)
  if(TIERHUB_UNITY)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 10)
    # Every source that is compiled so looks like a header, whose unnamed namespaces g++ warns about.
    target_compile_options(${target} PRIVATE -Wno-subobject-linkage)
  endif()
endfunction()

# tierhub_library(name SOURCES ... LINK ...): one library per folder, linked with exactly what it includes.
function(tierhub_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_library(tierhub_${name} STATIC ${ARG_SOURCES})
  target_link_libraries(tierhub_${name} PUBLIC tierhub_options ${ARG_LINK})
  tierhub_unity(tierhub_${name})
endfunction()

# tierhub_program(name SOURCES ... LINK ...)
function(tierhub_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE tierhub_options ${ARG_LINK})
endfunction()

# tierhub_test(name LABEL label SOURCES ... LINK ... [TIMEOUT seconds]): a GoogleTest program, one ctest entry.
function(tierhub_test name)
  cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "SOURCES;LINK" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE tierhub_options ${ARG_LINK} GTest::gtest_main)
  tierhub_unity(${name})
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT})
endfunction()
