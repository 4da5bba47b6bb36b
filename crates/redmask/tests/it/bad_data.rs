//! Bad data sets and full disks: a message that names the file, exit code 2, nothing left behind.

use image::{ExtendedColorType, save_buffer};

use crate::scene::Scene;

const DESCRIPTION: &str = r##"
images = "images"
masks = "masks"
[labels]
code = "ids"
[[classes]]
name = "ground"
colour = "#000000"
kind = "stuff"
[[classes]]
name = "polyp"
colour = "#ff0000"
kind = "thing"
"##;

const SIDE: u32 = 32;

/// The tiny recipe with a sound data set of 48 records, `r00` to `r47`.
fn sound() -> Scene {
    let scene = Scene::with_recipe(|r| r);
    scene.write("set.toml", DESCRIPTION);
    for folder in ["images", "masks"] {
        std::fs::create_dir(scene.path(folder)).expect("a folder");
    }
    for record in 0..48u8 {
        let labels: Vec<u8> = (0..SIDE * SIDE)
            .map(|i| u8::from(i % SIDE > 8 + u32::from(record % 7)))
            .collect();
        let image: Vec<u8> = labels
            .iter()
            .flat_map(|&class| [60 + 120 * class, record * 5, 80])
            .collect();
        png(
            &scene,
            &format!("images/r{record:02}.png"),
            &image,
            ExtendedColorType::Rgb8,
        );
        png(
            &scene,
            &format!("masks/r{record:02}.png"),
            &labels,
            ExtendedColorType::L8,
        );
    }
    scene
}

fn png(scene: &Scene, name: &str, pixels: &[u8], colour: ExtendedColorType) {
    let channels = if colour == ExtendedColorType::L8 {
        1
    } else {
        3
    };
    let height = pixels.len() as u32 / channels / SIDE;
    save_buffer(scene.path(name), pixels, SIDE, height, colour).expect("a PNG");
}

const RUN: [&str; 4] = ["run", "recipe.toml", "--data", "polyps=folder:set.toml"];

/// Breaks a sound data set and expects a run and a check to say `expected`, and to leave nothing behind but what a run had
/// finished before it met the broken record.
#[track_caller]
fn refused(break_it: impl FnOnce(&Scene), expected: &[&str]) {
    let scene = sound();
    break_it(&scene);
    for arguments in [&["data", "check", "--data", "folder:set.toml"], &RUN[..]] {
        let before = scene.listing();
        let ended = scene.redmask(arguments);
        assert_eq!(ended.code, 2, "{}{}", ended.stdout, ended.stderr);
        says(&ended.stderr, expected);
        for name in scene.listing() {
            let finished = name.starts_with("redmask-out")
                && ![".partial", ".tmp", "results.json", "report.html"]
                    .iter()
                    .any(|half| name.contains(half));
            assert!(finished || before.contains(&name), "{name} was left behind");
        }
    }
}

/// Compares without white space and the rule beside wrapped lines: miette breaks a message where the line ends.
#[track_caller]
fn says(stderr: &str, expected: &[&str]) {
    let squeezed = |text: &str| -> String {
        let words = text.split_whitespace().filter(|word| *word != "│");
        words.collect()
    };
    for text in expected {
        assert!(
            squeezed(stderr).contains(&squeezed(text)),
            "{text} in {stderr}"
        );
    }
}

#[test]
fn a_sound_folder_runs() {
    sound().redmask(&RUN).done();
}

#[test]
fn a_missing_mask() {
    refused(
        |scene| std::fs::remove_file(scene.path("masks/r07.png")).expect("it was there"),
        &["images/r07.png", "mask `r07.*` is missing in masks"],
    );
}

#[test]
fn a_mask_of_another_size() {
    refused(
        |scene| png(scene, "masks/r07.png", &[1; 32 * 16], ExtendedColorType::L8),
        &["masks/r07.png", "16x32", "32x32"],
    );
}

#[test]
fn an_unknown_class_id() {
    let mut labels = [1; 32 * 32];
    labels[32 * 3 + 5] = 9;
    refused(
        |scene| png(scene, "masks/r07.png", &labels, ExtendedColorType::L8),
        &["masks/r07.png", "value 9 at row 3, column 5 is no class id"],
    );
}

#[test]
fn a_truncated_png() {
    for file in ["images/r07.png", "masks/r07.png"] {
        refused(
            |scene| {
                let bytes = std::fs::read(scene.path(file)).expect("it was there");
                std::fs::write(scene.path(file), &bytes[..bytes.len() / 2]).expect("written");
            },
            &[file, "cannot be decoded"],
        );
    }
}

/// The head of a PNG of 30 000 x 30 000 RGB pixels, with its checksum: what decides before 2.7 GB are taken.
const HUGE: [u8; 33] = [
    0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, b'I', b'H', b'D', b'R', 0, 0,
    0x75, 0x30, 0, 0, 0x75, 0x30, 8, 2, 0, 0, 0, 0xe9, 0x45, 0x6f, 0xed,
];
/// An `IDAT` chunk with an empty deflate stream.
const NO_PIXELS: [u8; 16] = [
    0, 0, 0, 4, b'I', b'D', b'A', b'T', 0x78, 0x9c, 0x03, 0x00, 0x9b, 0x8c, 0x7d, 0x23,
];

#[test]
fn an_image_of_30000_by_30000() {
    refused(
        |scene| {
            std::fs::write(
                scene.path("images/r07.png"),
                [&HUGE[..], &NO_PIXELS].concat(),
            )
            .expect("written");
        },
        &["images/r07.png", "number of pixels", "900000000", "limit"],
    );
}

#[test]
fn an_empty_folder() {
    refused(
        |scene| {
            std::fs::remove_dir_all(scene.path("images")).expect("it was there");
            std::fs::create_dir(scene.path("images")).expect("a folder");
        },
        &["images", "holds no image"],
    );
}

/// A file system of one megabyte, in a mount namespace that ends with the command. Where the system forbids that, the
/// test says so and `a_disk_that_is_full` stands in with a limit on file sizes.
#[test]
#[cfg(target_os = "linux")]
fn a_file_system_that_is_full() {
    let scene = Scene::with_recipe(|r| r);
    std::fs::create_dir(scene.path("disk")).expect("a folder");
    let binary = assert_cmd::cargo::cargo_bin("redmask");
    let in_namespace = |script: &str| {
        let output = std::process::Command::new("unshare")
            .args(["--map-root-user", "--mount", "sh", "-c"])
            .arg(format!("mount -t tmpfs -o size=1m tmpfs disk && {script}"))
            .current_dir(scene.path("."))
            .env("NO_COLOR", "1")
            .output();
        output.ok()
    };
    if !in_namespace("true").is_some_and(|o| o.status.success()) {
        eprintln!("SKIPPED: this system mounts no tmpfs for us");
        return;
    }
    let script = format!(
        "'{}' run recipe.toml --out disk/out; code=$?; find disk -mindepth 1; exit $code",
        binary.display()
    );
    let output = in_namespace(&script).expect("it started before");
    let ended = crate::scene::ended(&output);
    assert_eq!(ended.code, 2, "{}{}", ended.stdout, ended.stderr);
    // Finished stages stay, so that a resumed run need not train again; nothing half-written does.
    for name in [".partial", ".tmp", "results.json", "report.html"] {
        assert!(!ended.stdout.contains(name), "{}", ended.stdout);
    }
    says(&ended.stderr, &["disk/out", "No space left"]);
}
