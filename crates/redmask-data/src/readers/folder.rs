//! A folder pair described by a TOML file.
//!
//! ```toml
//! # Paths are relative to this file; {split} stands for each split's name.
//! images = "{split}/images"
//! masks = "{split}/labels"
//! mask-suffix = "_gt"            # foo.jpg pairs with foo_gt.png; default none
//! splits = ["train", "test"]     # folders in place of {split}
//! # or, where one folder holds all images: text files with one stem a line
//! # [lists]
//! # train = "train.txt"
//! channels = 3                   # default
//! instances = "{split}/inst"     # optional: PNGs with instance ids
//!
//! [labels]
//! code = "ids"                   # or "colours", or "threshold" with `above = 127`
//! ignore = [255]                 # values (code = "ids") without a class
//! # ignore-colours = ["#000000"] # the same for code = "colours"
//!
//! [[classes]]
//! name = "road"
//! value = 7                      # for code = "ids"; default: the position in this list
//! colour = "#804080"             # for display; for code = "colours" also what the files hold
//! kind = "stuff"                 # or "thing"
//!
//! [groups]                       # default: each record on its own
//! rule = "before"                # the part of the stem before the first `separator`
//! separator = "_"
//! # rule = "prefix", length = 6  # the first characters of the stem
//! # rule = "table", file = "groups.csv" # lines STEM,GROUP
//! ```

use std::collections::BTreeMap;
use std::path::Path;

use redmask_core::{ClassId, ClassInfo, ClassKind, ClassTable, Error, GroupId, IGNORE, Result};
use serde::Deserialize;

use crate::files::{Coding, InstanceCode, LabelCode, Limits, PairDataset, Record, images_in, pair};
use crate::{DataSpec, OpenOptions};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct FolderConfig {
    images: String,
    masks: String,
    #[serde(default)]
    mask_suffix: String,
    #[serde(default)]
    splits: Vec<String>,
    #[serde(default)]
    lists: BTreeMap<String, String>,
    #[serde(default = "three")]
    channels: usize,
    instances: Option<String>,
    labels: LabelConfig,
    classes: Vec<ClassConfig>,
    groups: Option<GroupRule>,
}

fn three() -> usize {
    3
}

#[derive(Debug, Deserialize)]
#[serde(tag = "code", deny_unknown_fields, rename_all = "kebab-case")]
enum LabelConfig {
    Ids {
        #[serde(default)]
        ignore: Vec<u16>,
    },
    Colours {
        #[serde(default, rename = "ignore-colours")]
        ignore_colours: Vec<String>,
    },
    Threshold {
        above: u16,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClassConfig {
    name: String,
    value: Option<u16>,
    colour: String,
    kind: ClassKind,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "rule", deny_unknown_fields, rename_all = "kebab-case")]
enum GroupRule {
    Before { separator: String },
    Prefix { length: usize },
    Table { file: String },
}

/// Opens what the TOML file at the spec's path describes.
///
/// # Errors
/// If the file is no such description, or the folders do not hold what it says.
pub fn open(spec: &DataSpec, options: &OpenOptions) -> Result<PairDataset> {
    let file = spec.path()?;
    if file.is_dir() {
        return Err(Error::input(file, "this is a folder")
            .with_hint("the reader `folder` takes the TOML file that describes the folders"));
    }
    let config: FolderConfig = toml::from_str(&options.limits.read_text(file)?)
        .map_err(|e| Error::input(file, e.to_string()))?;
    let bad = |key: &str, problem: String| Error::input(file, format!("`{key}`: {problem}"));
    if config.channels != 1 && config.channels != 3 {
        return Err(bad(
            "channels",
            format!("{} is neither 1 nor 3", config.channels),
        ));
    }
    if config.classes.is_empty() || config.classes.len() > 255 {
        return Err(bad(
            "classes",
            format!("{} classes; 1 to 255 are possible", config.classes.len()),
        ));
    }
    let coding = coding(&config).map_err(|(key, problem)| bad(key, problem))?;
    let root = file.parent().unwrap_or(Path::new("."));
    let mut records = records(&config, root, &options.limits)?;
    if let Some(rule) = &config.groups {
        assign_groups(&mut records, rule, root, &options.limits)?;
    }
    PairDataset::new(root.to_owned(), records, coding, options.limits)
}

fn colour(text: &str) -> Result<[u8; 3], String> {
    let digits = text
        .strip_prefix('#')
        .filter(|d| d.len() == 6 && d.is_ascii());
    digits
        .and_then(|d| u32::from_str_radix(d, 16).ok())
        .map(|v| [(v >> 16) as u8, (v >> 8) as u8, v as u8])
        .ok_or_else(|| format!("`{text}` is no colour like #804080"))
}

fn coding(config: &FolderConfig) -> Result<Coding, (&'static str, String)> {
    let mut classes = Vec::new();
    for class in &config.classes {
        classes.push(ClassInfo {
            name: class.name.clone(),
            colour: colour(&class.colour).map_err(|e| ("classes.colour", e))?,
            kind: class.kind,
        });
    }
    let labels = match &config.labels {
        LabelConfig::Threshold { above } => {
            if classes.len() != 2 {
                return Err((
                    "labels",
                    format!("a threshold makes 2 classes, {} are listed", classes.len()),
                ));
            }
            LabelCode::Threshold(*above)
        }
        LabelConfig::Ids { ignore } => {
            let values = config
                .classes
                .iter()
                .enumerate()
                .map(|(id, class)| (class.value.unwrap_or(id as u16), id as ClassId));
            let all = values.chain(ignore.iter().map(|&value| (value, IGNORE)));
            LabelCode::Ids(
                distinct(all).map_err(|v| ("labels", format!("the value {v} is used twice")))?,
            )
        }
        LabelConfig::Colours { ignore_colours } => {
            let ignored: Vec<[u8; 3]> = ignore_colours
                .iter()
                .map(|text| colour(text))
                .collect::<Result<_, _>>()
                .map_err(|e| ("labels.ignore-colours", e))?;
            let shown = classes
                .iter()
                .enumerate()
                .map(|(id, class)| (class.colour, id as ClassId));
            let all = shown.chain(ignored.into_iter().map(|c| (c, IGNORE)));
            LabelCode::Colours(
                distinct(all)
                    .map_err(|c| ("classes", format!("the colour {c:?} is used twice")))?,
            )
        }
    };
    Ok(Coding {
        classes: ClassTable::new(classes),
        channels: config.channels,
        labels,
        instances: InstanceCode::default(),
    })
}

/// A map of pairs whose keys differ; else the key used twice.
fn distinct<K: Ord + Copy, V>(pairs: impl Iterator<Item = (K, V)>) -> Result<BTreeMap<K, V>, K> {
    let mut map = BTreeMap::new();
    for (key, value) in pairs {
        if map.insert(key, value).is_some() {
            return Err(key);
        }
    }
    Ok(map)
}

fn records(config: &FolderConfig, root: &Path, limits: &Limits) -> Result<Vec<Record>> {
    let splits: Vec<&str> = if config.lists.is_empty() && config.splits.is_empty() {
        vec!["all"]
    } else if config.lists.is_empty() {
        config.splits.iter().map(String::as_str).collect()
    } else {
        config.lists.keys().map(String::as_str).collect()
    };
    let folder = |pattern: &str, split: &str| root.join(pattern.replace("{split}", split));
    let mut records = Vec::new();
    for split in splits {
        let images = folder(&config.images, split);
        let masks = folder(&config.masks, split);
        let mut found = pair(split, &images, &masks, |stem| {
            format!("{stem}{}", config.mask_suffix)
        })?;
        if let Some(list) = config.lists.get(split) {
            found = listed(found, &root.join(list), &images, limits)?;
        }
        if let Some(pattern) = &config.instances {
            let instances = folder(pattern, split);
            let by_stem = images_in(&instances)?;
            for record in &mut found {
                let path = by_stem.get(record.id.stem()).ok_or_else(|| {
                    Error::input(
                        &record.image,
                        format!("its instance map is missing in {}", instances.display()),
                    )
                })?;
                record.instances = Some(path.clone());
            }
        }
        records.extend(found);
    }
    Ok(records)
}

/// The records that a list names, in its order.
fn listed(found: Vec<Record>, list: &Path, images: &Path, limits: &Limits) -> Result<Vec<Record>> {
    let mut by_stem: BTreeMap<String, Record> = found
        .into_iter()
        .map(|record| (record.id.stem().to_owned(), record))
        .collect();
    limits
        .read_text(list)?
        .lines()
        .map(str::trim)
        .filter(|stem| !stem.is_empty())
        .map(|stem| {
            by_stem.remove(stem).ok_or_else(|| {
                Error::input(
                    list,
                    format!(
                        "it names `{stem}` (again), which {} does not hold",
                        images.display()
                    ),
                )
            })
        })
        .collect()
}

fn assign_groups(
    records: &mut [Record],
    rule: &GroupRule,
    root: &Path,
    limits: &Limits,
) -> Result<()> {
    let table = match rule {
        GroupRule::Table { file } => {
            let path = root.join(file);
            let mut table = BTreeMap::new();
            for (number, line) in limits.read_text(&path)?.lines().enumerate() {
                let Some((stem, group)) = line.split_once(',') else {
                    return Err(Error::input(
                        &path,
                        format!("line {} is not STEM,GROUP", number + 1),
                    ));
                };
                table.insert(stem.trim().to_owned(), group.trim().to_owned());
            }
            table
        }
        _ => BTreeMap::new(),
    };
    for record in records {
        let stem = record.id.stem();
        let group = match rule {
            GroupRule::Before { separator } => stem
                .split(separator.as_str())
                .next()
                .unwrap_or(stem)
                .to_owned(),
            GroupRule::Prefix { length } => stem.chars().take(*length).collect(),
            GroupRule::Table { file } => table.get(stem).cloned().ok_or_else(|| {
                Error::input(root.join(file), format!("it has no line for `{stem}`"))
            })?,
        };
        record.group = GroupId(group);
    }
    Ok(())
}
