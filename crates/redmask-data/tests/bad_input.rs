//! Every kind of bad input is refused with an error that names the file and says what is wrong.
#![expect(clippy::unwrap_used, reason = "a test stops where its fixture fails")]

use std::path::{Path, PathBuf};

use redmask_core::{Error, Result, SegDataset, Session};
use redmask_data::{CachedDataset, OpenOptions, open};
use tempfile::TempDir;

const CONFIG: &str = r##"
images = "images"
masks = "masks"
[labels]
code = "ids"
ignore = [255]
[[classes]]
name = "ground"
colour = "#000000"
kind = "stuff"
[[classes]]
name = "thing"
colour = "#ff0000"
kind = "thing"
"##;

/// A folder pair with two sound records.
fn sound() -> TempDir {
    let dir = TempDir::new().unwrap();
    for folder in ["images", "masks"] {
        std::fs::create_dir(dir.path().join(folder)).unwrap();
    }
    for stem in ["a", "b"] {
        png(
            &dir.path().join(format!("images/{stem}.png")),
            6,
            4,
            &[90; 24],
        );
        png(
            &dir.path().join(format!("masks/{stem}.png")),
            6,
            4,
            &[1; 24],
        );
    }
    std::fs::write(dir.path().join("set.toml"), CONFIG).unwrap();
    dir
}

fn png(path: &Path, width: u32, height: u32, grey: &[u8]) {
    image::save_buffer(path, grey, width, height, image::ExtendedColorType::L8).unwrap();
}

fn read(dir: &TempDir) -> Result<CachedDataset> {
    let spec = format!("folder:{}", dir.path().join("set.toml").display());
    let dataset = open(&spec.parse()?, &OpenOptions::default())?;
    CachedDataset::load(&*dataset, &Session::default())
}

/// The error of reading `dir`, which must name `file`.
fn error_naming(dir: &TempDir, file: &str) -> String {
    let error = read(dir).unwrap_err();
    let path: PathBuf = match &error {
        Error::Input { path, .. } | Error::Limit { path, .. } | Error::Io { path, .. } => {
            path.clone()
        }
        other => panic!("{other} names no file"),
    };
    assert_eq!(path, dir.path().join(file), "{error}");
    error.to_string()
}

#[test]
fn a_sound_folder_is_read() {
    let data = read(&sound()).unwrap();
    assert_eq!(data.len(), 2);
    assert_eq!(data.id(0).as_str(), "all/a");
    assert_eq!(data.samples()[1].labels.data(), &[1; 24]);
}

#[test]
fn a_missing_mask() {
    let dir = sound();
    std::fs::remove_file(dir.path().join("masks/b.png")).unwrap();
    assert!(error_naming(&dir, "images/b.png").contains("mask `b.*` is missing"));
}

#[test]
fn a_mask_of_another_size() {
    let dir = sound();
    png(&dir.path().join("masks/a.png"), 4, 6, &[1; 24]);
    let text = error_naming(&dir, "masks/a.png");
    assert!(
        text.contains("6x4") && text.contains("4x6") && text.contains("images/a.png"),
        "{text}"
    );
}

#[test]
fn an_unknown_class_id() {
    let dir = sound();
    let mut mask = [0; 24];
    mask[8] = 7;
    png(&dir.path().join("masks/a.png"), 6, 4, &mask);
    assert!(
        error_naming(&dir, "masks/a.png").contains("value 7 at row 1, column 2 is no class id")
    );
}

#[test]
fn a_truncated_png() {
    for file in ["images/a.png", "masks/a.png"] {
        let dir = sound();
        let path = dir.path().join(file);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        assert!(error_naming(&dir, file).contains("cannot be decoded"));
    }
}

#[test]
fn a_file_that_is_no_image() {
    let dir = sound();
    std::fs::write(dir.path().join("masks/b.png"), "not a picture").unwrap();
    assert!(error_naming(&dir, "masks/b.png").contains("cannot be decoded"));
}

/// A PNG whose header promises `side` x `side` pixels and whose data are a few bytes.
fn bomb(side: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side, side);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().unwrap();
    writer
        .write_chunk(png::chunk::IDAT, &[0x78, 0x9c, 0x03, 0x00])
        .unwrap();
    drop(writer);
    bytes
}

#[test]
fn a_huge_image_is_refused_from_its_header() {
    let dir = sound();
    std::fs::write(dir.path().join("images/a.png"), bomb(30_000)).unwrap();
    let text = error_naming(&dir, "images/a.png");
    assert!(
        text.contains("900000000") && text.contains("limit"),
        "{text}"
    );
}

#[test]
fn a_huge_file_is_refused_unread() {
    let dir = sound();
    let file = std::fs::File::create(dir.path().join("masks/a.png")).unwrap();
    // Sparse: takes no disk.
    file.set_len(1 << 40).unwrap();
    assert!(error_naming(&dir, "masks/a.png").contains("file size in bytes"));
}

#[test]
fn an_empty_folder() {
    let dir = sound();
    for stem in ["a", "b"] {
        std::fs::remove_file(dir.path().join(format!("images/{stem}.png"))).unwrap();
    }
    assert!(error_naming(&dir, "images").contains("holds no image"));
}

#[test]
fn a_missing_folder() {
    let dir = sound();
    std::fs::remove_dir_all(dir.path().join("masks")).unwrap();
    assert!(error_naming(&dir, "masks").contains("listing failed"));
}

#[test]
fn one_stem_twice() {
    let dir = sound();
    std::fs::copy(
        dir.path().join("images/a.png"),
        dir.path().join("images/a.jpg"),
    )
    .unwrap();
    let text = read(&dir).unwrap_err().to_string();
    assert!(text.contains("same stem"), "{text}");
}

#[test]
fn a_description_that_is_wrong() {
    for (from, to, told) in [
        ("images = ", "imges = ", "unknown field `imges`"),
        ("#ff0000", "red", "`classes.colour`: `red` is no colour"),
        (
            "code = \"ids\"\nignore = [255]",
            "code = \"threshold\"\nabove = 9",
            "",
        ),
        (
            "ignore = [255]",
            "ignore = [1]",
            "the value 1 is used twice",
        ),
        (
            "code = \"ids\"",
            "code = \"numbers\"",
            "unknown variant `numbers`",
        ),
        (
            "masks = \"masks\"",
            "masks = \"masks\"\nchannels = 4",
            "`channels`: 4 is neither 1 nor 3",
        ),
    ] {
        let dir = sound();
        assert!(CONFIG.contains(from), "{from}");
        std::fs::write(dir.path().join("set.toml"), CONFIG.replace(from, to)).unwrap();
        if told.is_empty() {
            read(&dir).unwrap();
        } else {
            let text = error_naming(&dir, "set.toml");
            assert!(text.contains(told), "{text}");
        }
    }
}

#[test]
fn an_unknown_reader_or_option() {
    for (spec, told) in [
        ("kvasir:/tmp", "no reader `kvasir`"),
        ("camvid:/tmp?blocks=3", "no option `blocks`"),
        ("street:1?weather=hail", "`hail` is not one of clear"),
        ("polyp:1?count=many", "`count=many` is not a whole number"),
        ("polyp:1?size=8", "outside 16 to 4096"),
        ("polyp:1?count=0", "at least one scene"),
    ] {
        let error = open(&spec.parse().unwrap(), &OpenOptions::default())
            .err()
            .unwrap();
        assert!(error.to_string().contains(told), "{spec}: {error}");
    }
}
