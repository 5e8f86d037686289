//! Build files beside the kernel: CMake, PlatformIO, Arduino, Zephyr.
//!
//! All of them compile every `.c` file but the self-test into one static library. The kernel's name
//! is the only thing in them that comes from a user, and it is an identifier.

use crate::OutputFile;

/// Names of targets that CMake keeps for itself (policy CMP0037).
const CMAKE_TARGETS: &[&str] = &[
    "all",
    "clean",
    "edit_cache",
    "help",
    "install",
    "package",
    "package_source",
    "preinstall",
    "rebuild_cache",
    "test",
];

/// Arduino refuses longer library names.
const ARDUINO_NAME: usize = 63;

/// The CMake target of the library: the kernel's name, unless CMake keeps it.
pub(super) fn cmake_target(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    if CMAKE_TARGETS.contains(&lower.as_str()) || lower.ends_with("_build") {
        format!("{name}_kernel")
    } else {
        name.to_owned()
    }
}

/// The files, below `c/`. `sources` are the `.c` files of the kernel.
pub(super) fn files(name: &str, sources: &[String]) -> Vec<OutputFile> {
    let fill = |text: &str| {
        let list = |indent: &str, before: &str| -> String {
            let line = |s: &String| format!("{indent}{before}{s}\n");
            sources.iter().map(line).collect()
        };
        text.replace("@SOURCES@\n", &list("    ", ""))
            .replace(
                "@ZEPHYR_SOURCES@\n",
                &list("        ", "${CMAKE_CURRENT_LIST_DIR}/../"),
            )
            .replace("@TARGET@", &cmake_target(name))
            .replace("@UPPER@", &name.to_ascii_uppercase())
            .replace("@ARDUINO@", &name[..name.len().min(ARDUINO_NAME)])
            .replace("@NAME@", name)
    };
    [
        ("CMakeLists.txt", CMAKE),
        ("library.json", PLATFORMIO),
        ("library.properties", ARDUINO),
        ("zephyr/module.yml", ZEPHYR_MODULE),
        ("zephyr/CMakeLists.txt", ZEPHYR_CMAKE),
        ("zephyr/Kconfig", ZEPHYR_KCONFIG),
    ]
    .map(|(path, text)| OutputFile::new(format!("c/{path}"), fill(text)))
    .into()
}

/// What a self-test begins with: the Arduino builder compiles it into the library, where another
/// `main` has no place.
pub(super) fn selftest_guard(name: &str) -> String {
    format!(
        "#if defined(ARDUINO) && !defined({name}_SELFTEST_NO_MAIN)\n#define {name}_SELFTEST_NO_MAIN\n#endif\n"
    )
}

const CMAKE: &str = r#"# The kernel @NAME@ as a static library, alone or by add_subdirectory.
cmake_minimum_required(VERSION 3.13)
project(@NAME@ LANGUAGES C)

add_library(@TARGET@ STATIC
@SOURCES@
)
target_include_directories(@TARGET@ PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
target_compile_features(@TARGET@ PUBLIC c_std_99)

# The self-test: by default where this is the whole project.
string(COMPARE EQUAL ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR} @NAME@_ALONE)
option(@NAME@_SELFTEST "Build the self-test of @NAME@" ${@NAME@_ALONE})
if(@NAME@_SELFTEST)
    enable_testing()
    add_executable(@NAME@_selftest @NAME@_selftest.c)
    target_link_libraries(@NAME@_selftest PRIVATE @TARGET@)
    add_test(NAME @NAME@_selftest COMMAND @NAME@_selftest)
endif()
"#;

const PLATFORMIO: &str = r#"{
    "name": "@NAME@",
    "version": "1.0.0",
    "description": "Fixed-point kernel of the neural network @NAME@: integers only, no allocation",
    "keywords": "neural network, fixed point, inference",
    "frameworks": "*",
    "platforms": "*",
    "headers": "@NAME@.h",
    "build": {
        "srcDir": ".",
        "includeDir": ".",
        "srcFilter": ["-<*>", "+<*.c>", "-<*_selftest.c>"]
    }
}
"#;

const ARDUINO: &str = "name=@ARDUINO@
version=1.0.0
author=ceg4nc
maintainer=ceg4nc
sentence=Fixed-point kernel of the neural network @NAME@.
paragraph=Integers only, no allocation; what is proved of it stands in @NAME@.h.
category=Data Processing
url=
architectures=*
includes=@NAME@.h
";

const ZEPHYR_MODULE: &str = "name: @NAME@
build:
  cmake: zephyr
  kconfig: zephyr/Kconfig
";

const ZEPHYR_CMAKE: &str = r"if(CONFIG_@UPPER@)
    zephyr_library_named(@NAME@)
    zephyr_library_sources(
@ZEPHYR_SOURCES@
    )
    zephyr_include_directories(${CMAKE_CURRENT_LIST_DIR}/..)
endif()
";

const ZEPHYR_KCONFIG: &str = r#"config @UPPER@
	bool "Fixed-point kernel of the neural network @NAME@"
	help
	  Compiles the kernel @NAME@ into the image. It needs integers only and
	  no memory but what the caller gives.
"#;

/// Lines for the README.
pub(super) fn readme(name: &str) -> String {
    README
        .replace("@TARGET@", &cmake_target(name))
        .replace("@UPPER@", &name.to_ascii_uppercase())
        .replace("@NAME@", name)
}

const README: &str = "## Build systems

- CMake: `add_subdirectory(path/to/this/folder)` and `target_link_libraries(app PRIVATE @TARGET@)`. Built alone, `ctest` runs the self-test.
- PlatformIO: this folder is a library (`library.json`): put it into `lib/@NAME@`.
- Arduino: this folder is a library (`library.properties`): put it into `libraries/@NAME@` and include `@NAME@.h`. The self-test is compiled without its `main`.
- Zephyr: this folder is a module: `west build -- -DZEPHYR_EXTRA_MODULES=/path/to/this/folder` with `CONFIG_@UPPER@=y`.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_placeholder_is_left() {
        let sources = ["net.c".to_owned(), "net_float.c".to_owned()];
        for f in files("net", &sources) {
            let text = String::from_utf8(f.content).expect("text");
            assert!(!text.contains('@'), "{}: {text}", f.path);
        }
        assert!(!readme("net").contains('@'));
    }

    #[test]
    fn names_that_cmake_keeps_are_avoided() {
        assert_eq!(cmake_target("iris"), "iris");
        assert_eq!(cmake_target("help"), "help_kernel");
        assert_eq!(cmake_target("All"), "All_kernel");
        assert_eq!(cmake_target("ALL_BUILD"), "ALL_BUILD_kernel");
    }
}
