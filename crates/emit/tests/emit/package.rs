//! Build files: CMake builds, tests and links what was emitted; the others say what their tools
//! demand.

use crate::common::speed;
use crate::common::{Case, available, compilers, folder, run, tiny, vectors, write};
use ceg4n_emit::emit_c;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

fn case(name: &str) -> Case {
    let program = tiny();
    let vectors = vectors(&program, &mut ChaCha8Rng::seed_from_u64(2), 30);
    Case {
        name: name.to_owned(),
        program,
        vectors,
        options: speed(),
    }
}

/// The text of an emitted file.
fn text(case: &Case, path: &str) -> String {
    let files = emit_c(&case.input()).unwrap();
    let file = files.into_iter().find(|f| f.path == path);
    String::from_utf8(file.unwrap().content).unwrap()
}

fn cmake(source: &Path, build: &Path) {
    run(Command::new("cmake")
        .arg("-S")
        .arg(source)
        .arg("-B")
        .arg(build)
        .arg("-Werror=dev"));
    run(Command::new("cmake").arg("--build").arg(build));
}

/// `cmake`, `cmake --build`, `ctest`: also for a name that CMake keeps for itself.
#[test]
fn cmake_builds_the_library_and_runs_the_selftest() {
    if !available("cmake", "--version") {
        return;
    }
    for name in ["net", "clean"] {
        let dir = folder();
        write(&emit_c(&case(name).input()).unwrap(), dir.path());
        let build = dir.path().join("build");
        cmake(&dir.path().join("c"), &build);
        let out = run(Command::new("ctest").current_dir(&build).arg("-V"));
        let out = String::from_utf8(out.stdout).unwrap();
        assert!(out.contains(&format!("{name}: 30 vectors pass\n")), "{out}");
        assert!(
            out.contains("100% tests passed, 0 tests failed out of 1"),
            "{out}"
        );
    }
}

/// A program of the user's.
const USER: &str = r#"#include "one.h"
#include "two.h"

int main(void)
{
    static one_scratch first;
    static two_scratch second;
    const float x[2] = {0.5f, -0.25f};
    one_in_t in[one_IN_SIZE];
    two_in_t same[two_IN_SIZE];
    one_out_t out[one_OUT_SIZE];
    two_out_t other[two_OUT_SIZE];
    float y[3];
    one_quantize(x, in);
    two_quantize(x, same);
    one_infer(in, out, &first);
    two_infer(same, other, &second);
    two_dequantize(other, y);
    if (in[0] != 128 || in[1] != -64 || same[0] != 128) {
        return 1;
    }
    for (int j = 0; j < 3; ++j) {
        if (out[j] != other[j] || y[j] * 128.0f != (float)out[j]) {
            return 2;
        }
    }
    return one_argmax(out) == two_argmax(other) ? 0 : 3;
}
"#;

/// Two kernels under two prefixes, added as folders to a project of C and C++.
#[test]
fn two_kernels_link_into_one_program() {
    if !available("cmake", "--version") {
        return;
    }
    let dir = folder();
    for name in ["one", "two"] {
        write(
            &emit_c(&case(name).input()).unwrap(),
            &dir.path().join(name),
        );
    }
    std::fs::write(dir.path().join("user.c"), USER).unwrap();
    std::fs::write(dir.path().join("user.cpp"), USER).unwrap();
    let project = "cmake_minimum_required(VERSION 3.13)
project(user LANGUAGES C CXX)
enable_testing()
add_subdirectory(one/c one)
add_subdirectory(two/c two)
foreach(language c cpp)
    add_executable(user_${language} user.${language})
    target_link_libraries(user_${language} PRIVATE one two)
    add_test(NAME user_${language} COMMAND user_${language})
endforeach()
";
    std::fs::write(dir.path().join("CMakeLists.txt"), project).unwrap();
    let build = dir.path().join("build");
    cmake(dir.path(), &build);
    let out = run(Command::new("ctest").current_dir(&build));
    let out = String::from_utf8(out.stdout).unwrap();
    // The kernels' own self-tests are not among them.
    assert!(
        out.contains("100% tests passed, 0 tests failed out of 2"),
        "{out}"
    );
}

/// The Arduino builder compiles every file at the top of the library, and links one `main`.
#[test]
fn the_arduino_builder_finds_one_main() {
    let dir = folder();
    let case = case("net");
    write(&emit_c(&case.input()).unwrap(), dir.path());
    for cc in compilers() {
        run(Command::new(&cc).current_dir(dir.path().join("c")).args([
            "-DARDUINO=10819",
            "-c",
            "-o",
            "net.o",
            "net_selftest.c",
        ]));
        let out = run(Command::new("nm")
            .current_dir(dir.path().join("c"))
            .arg("net.o"));
        let names = String::from_utf8(out.stdout).unwrap();
        assert!(!names.contains(" T main\n"), "{names}");
    }
    let properties = text(&case, "c/library.properties");
    let properties: BTreeMap<&str, &str> = properties
        .lines()
        .map(|l| l.split_once('=').unwrap())
        .collect();
    for key in [
        "name",
        "version",
        "author",
        "maintainer",
        "sentence",
        "paragraph",
        "category",
        "url",
        "architectures",
        "includes",
    ] {
        assert!(properties.contains_key(key), "{key}");
    }
    assert_eq!(properties["includes"], "net.h");
    assert_eq!(properties["category"], "Data Processing");
    let long = "n".repeat(64);
    let properties = text(&self::case(&long), "c/library.properties");
    assert!(properties.starts_with(&format!("name={}\n", &long[..63])));
}

#[test]
fn platformio_reads_the_manifest() {
    let manifest = text(&case("net"), "c/library.json");
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["name"], "net");
    assert_eq!(manifest["headers"], "net.h");
    let filter = &manifest["build"]["srcFilter"];
    assert_eq!(filter[2], "-<*_selftest.c>");
    let version = manifest["version"].as_str().unwrap();
    assert_eq!(
        version
            .split('.')
            .filter(|n| n.parse::<u32>().is_ok())
            .count(),
        3
    );
}

/// The module's CMake file, run with Zephyr's functions put in by a project of CMake's own.
#[test]
fn zephyr_finds_the_module() {
    let case = case("Net");
    let module = text(&case, "c/zephyr/module.yml");
    assert!(
        module.contains("  cmake: zephyr\n  kconfig: zephyr/Kconfig\n"),
        "{module}"
    );
    let options = text(&case, "c/zephyr/Kconfig");
    assert!(options.starts_with("config NET\n\tbool \""), "{options}");
    if !available("cmake", "--version") {
        return;
    }
    let dir = folder();
    write(&emit_c(&case.input()).unwrap(), dir.path());
    let project = "cmake_minimum_required(VERSION 3.13)
project(image LANGUAGES C)
macro(zephyr_library_named name)
    set(ZEPHYR_LIBRARY ${name})
    add_library(${name} STATIC)
endmacro()
macro(zephyr_library_sources)
    target_sources(${ZEPHYR_LIBRARY} PRIVATE ${ARGN})
endmacro()
macro(zephyr_include_directories)
    include_directories(${ARGN})
endmacro()
set(CONFIG_NET y)
add_subdirectory(c/zephyr)
";
    std::fs::write(dir.path().join("CMakeLists.txt"), project).unwrap();
    let build = dir.path().join("build");
    cmake(dir.path(), &build);
    let archive = build.join("c/zephyr/libNet.a");
    let out = run(Command::new("nm").arg(archive));
    let names = String::from_utf8(out.stdout).unwrap();
    for symbol in ["T Net_infer\n", "T Net_quantize\n", "R Net_w0\n"] {
        assert!(names.contains(symbol), "{names}");
    }
    assert!(!names.contains(" main\n"), "{names}");
}
