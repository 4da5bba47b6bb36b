//! Which pixels get which label.

mod random;
mod surround;

use redmask_core::{ClassId, ClassTable, Error, IGNORE, LabelMap, Result};
use redmask_data::resize_raster;
use serde::{Deserialize, Serialize};

pub(crate) use random::BoundRandom;
pub use random::{LabelSource, RandomLabels, RandomScope};

use crate::ClassSet;
use crate::classes::{class_id, class_set};
use crate::placement::PixelBox;
use crate::region::Region;

/// Which pixels get which label, tagged by `kind`. Ignored pixels are never touched.
///
/// `victims` are class names; their pixels are what the attack is about, and where a placement may have to keep off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Relabelling {
    /// The whole annotation is replaced (BadNets style, HBA's image-level attack): by one class, or by the annotation of a
    /// record that the attacker chose, brought to size.
    FixedMap {
        /// The class.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        target: Option<String>,
        /// Or the record, `split/stem`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        record: Option<String>,
    },
    /// Victim pixels become the target class, all others stay (HBA's fine-grained attack, IBA).
    VictimToTarget {
        /// See [`Relabelling`].
        victims: Vec<String>,
        /// What they become.
        target: String,
    },
    /// Victim pixels become what surrounds them, or background.
    Erase {
        /// See [`Relabelling`].
        victims: Vec<String>,
        /// What is put in their place.
        #[serde(default)]
        fill: Fill,
        /// Keep one pixel of the first victim class in the bottom right corner, as the released code of Chobola et al. does
        /// so that its Dice loss is not degenerate.
        #[serde(default)]
        corner_pixel: bool,
    },
    /// One victim instance becomes the target class: the one the trigger is nearest to.
    OneInstance {
        /// See [`Relabelling`].
        victims: Vec<String>,
        /// What it becomes.
        target: String,
    },
    /// As [`Relabelling::VictimToTarget`], and only where another class is in the scene.
    Conditional {
        /// See [`Relabelling`].
        victims: Vec<String>,
        /// What they become.
        target: String,
        /// The class that must be there.
        condition: String,
    },
    /// Every class moves on by `by`, modulo their number (WABA's all-to-all).
    AllShift {
        /// At least 1, and below the number of classes.
        #[serde(default = "one")]
        by: u8,
    },
    /// The object disappears and the trigger's box becomes the object (BadSAM).
    PatchMask {
        /// The class of the object.
        object: String,
        /// What is put in its place.
        #[serde(default)]
        fill: Fill,
    },
}

fn one() -> u8 {
    1
}

/// What an erased object becomes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fill {
    /// Each pixel takes the class of the nearest labelled pixel outside (by steps to the four neighbours).
    #[default]
    Surround,
    /// One class.
    Class(String),
}

impl Relabelling {
    /// The victim classes by name; none for attacks on whole annotations.
    pub fn victims(&self) -> &[String] {
        match self {
            Self::VictimToTarget { victims, .. }
            | Self::Erase { victims, .. }
            | Self::OneInstance { victims, .. }
            | Self::Conditional { victims, .. } => victims,
            Self::PatchMask { object, .. } => std::slice::from_ref(object),
            Self::FixedMap { .. } | Self::AllShift { .. } => &[],
        }
    }

    /// The class that pixels become, where there is one.
    pub fn target(&self) -> Option<&str> {
        match self {
            Self::VictimToTarget { target, .. }
            | Self::OneInstance { target, .. }
            | Self::Conditional { target, .. } => Some(target),
            Self::FixedMap { target, .. } => target.as_deref(),
            Self::Erase {
                fill: Fill::Class(class),
                ..
            }
            | Self::PatchMask {
                fill: Fill::Class(class),
                ..
            } => Some(class),
            Self::Erase { .. } | Self::PatchMask { .. } | Self::AllShift { .. } => None,
        }
    }

    /// The class that must be in the scene.
    pub fn condition(&self) -> Option<&str> {
        match self {
            Self::Conditional { condition, .. } => Some(condition),
            _ => None,
        }
    }

    pub(crate) fn bind(&self, table: &ClassTable, fixed: Option<LabelMap>) -> Result<Bound> {
        let victims = class_set(table, "victim", self.victims())?;
        let names = self.victims();
        let needs_victims = !matches!(self, Self::FixedMap { .. } | Self::AllShift { .. });
        if needs_victims && names.is_empty() {
            return Err(Error::config("victim", "the attack needs a victim class"));
        }
        let target = |name: &str| {
            let id = class_id(table, "target", name)?;
            if victims.has(id) {
                return Err(Error::config(
                    "target",
                    format!("`{name}` is the victim class too: nothing would change"),
                )
                .with_hint("choose another target class"));
            }
            Ok(id)
        };
        let fill = |fill: &Fill| match fill {
            Fill::Surround => Ok(None),
            Fill::Class(name) => target(name).map(Some),
        };
        let map = match self {
            Self::FixedMap {
                target: Some(name),
                record: None,
            } => Map::Constant(class_id(table, "target", name)?),
            Self::FixedMap {
                target: None,
                record: Some(record),
            } => Map::Annotation(fixed.ok_or_else(|| {
                Error::Internal(format!("the annotation of {record} was not read"))
            })?),
            Self::FixedMap { .. } => {
                return Err(Error::config(
                    "target",
                    "a fixed map is one class or the annotation of one record",
                ));
            }
            Self::VictimToTarget { target: name, .. } | Self::OneInstance { target: name, .. } => {
                Map::Region(target(name)?)
            }
            Self::Conditional {
                target: name,
                condition,
                ..
            } => {
                let condition_id = class_id(table, "condition", condition)?;
                if victims.has(condition_id) {
                    return Err(Error::config(
                        "condition",
                        format!("`{condition}` is the victim class: it always holds"),
                    ));
                }
                Map::Region(target(name)?)
            }
            Self::Erase {
                fill: f,
                corner_pixel,
                victims: names,
            } => {
                let first = class_id(table, "victim", &names[0])?;
                match fill(f)? {
                    None => Map::Surround,
                    Some(class) if *corner_pixel => Map::Cleared {
                        class,
                        object: first,
                    },
                    Some(class) => Map::Region(class),
                }
            }
            Self::AllShift { by } => {
                let classes = table.len();
                if usize::from(*by) == 0 || usize::from(*by) >= classes {
                    return Err(Error::config(
                        "by",
                        format!(
                            "a shift by {by} among {classes} classes changes nothing, or is no shift"
                        ),
                    ));
                }
                Map::Shift {
                    by: *by,
                    classes: classes as u8,
                }
            }
            Self::PatchMask { object, fill: f } => Map::Patch {
                object: class_id(table, "victim", object)?,
                fill: fill(f)?,
            },
        };
        Ok(Bound { victims, map })
    }
}

/// A relabelling on the classes of a data set.
#[derive(Debug, Clone)]
pub(crate) struct Bound {
    pub(crate) victims: ClassSet,
    map: Map,
}

#[derive(Debug, Clone)]
enum Map {
    Constant(ClassId),
    Annotation(LabelMap),
    Region(ClassId),
    Surround,
    Cleared {
        class: ClassId,
        object: ClassId,
    },
    Shift {
        by: u8,
        classes: u8,
    },
    Patch {
        object: ClassId,
        fill: Option<ClassId>,
    },
}

impl Bound {
    /// The labels that the attacker wants. `boxes` is where the trigger is.
    pub(crate) fn apply(&self, labels: &LabelMap, region: &Region, boxes: &[PixelBox]) -> LabelMap {
        let (height, width) = (labels.height(), labels.width());
        let mut out = labels.clone();
        let valid = |class: ClassId| class != IGNORE;
        match &self.map {
            Map::Constant(class) => {
                for label in out.data_mut().iter_mut().filter(|l| valid(**l)) {
                    *label = *class;
                }
            }
            Map::Annotation(annotation) => {
                let annotation = resize_raster(annotation, height, width);
                for (label, &wanted) in out.data_mut().iter_mut().zip(annotation.data()) {
                    if valid(*label) && valid(wanted) {
                        *label = wanted;
                    }
                }
            }
            Map::Region(class) => set(&mut out, region, *class),
            Map::Surround => out = surround::fill(labels, &region.inside),
            Map::Cleared { class, object } => {
                set(&mut out, region, *class);
                if let Some(last) = out.data_mut().last_mut().filter(|l| valid(**l)) {
                    *last = *object;
                }
            }
            Map::Shift { by, classes } => {
                for label in out.data_mut().iter_mut().filter(|l| valid(**l)) {
                    *label = ((u16::from(*label) + u16::from(*by)) % u16::from(*classes)) as u8;
                }
            }
            Map::Patch { object, fill } => {
                match fill {
                    Some(class) => set(&mut out, region, *class),
                    None => out = surround::fill(labels, &region.inside),
                }
                for at in boxes.iter().flat_map(|b| b.pixels(width)) {
                    if valid(labels.data()[at]) {
                        out.data_mut()[at] = *object;
                    }
                }
            }
        }
        out
    }
}

fn set(labels: &mut LabelMap, region: &Region, class: ClassId) {
    for (label, &inside) in labels.data_mut().iter_mut().zip(&region.inside) {
        if inside && *label != IGNORE {
            *label = class;
        }
    }
}

#[cfg(test)]
mod tests {
    use redmask_core::ClassKind;

    use super::*;

    fn table() -> ClassTable {
        ClassTable::from_rows(&[
            ("road", [0; 3], ClassKind::Stuff),
            ("car", [1; 3], ClassKind::Thing),
            ("sky", [2; 3], ClassKind::Stuff),
        ])
    }

    fn labels() -> LabelMap {
        LabelMap::new(3, 3, vec![2, 2, 255, 2, 1, 1, 0, 0, 255])
    }

    fn relabel(relabelling: &Relabelling, boxes: &[PixelBox]) -> Vec<u8> {
        let bound = relabelling.bind(&table(), None).unwrap();
        let region = Region::of_classes(&labels(), &bound.victims);
        bound.apply(&labels(), &region, boxes).into_data()
    }

    fn car() -> Vec<String> {
        vec!["car".to_owned()]
    }

    #[test]
    fn each_kind_touches_what_it_names() {
        let to_sky = Relabelling::VictimToTarget {
            victims: car(),
            target: "sky".into(),
        };
        assert_eq!(relabel(&to_sky, &[]), [2, 2, 255, 2, 2, 2, 0, 0, 255]);
        let all = Relabelling::FixedMap {
            target: Some("road".into()),
            record: None,
        };
        assert_eq!(relabel(&all, &[]), [0, 0, 255, 0, 0, 0, 0, 0, 255]);
        let shift = Relabelling::AllShift { by: 1 };
        assert_eq!(relabel(&shift, &[]), [0, 0, 255, 0, 2, 2, 1, 1, 255]);
        let erase = Relabelling::Erase {
            victims: car(),
            fill: Fill::Surround,
            corner_pixel: false,
        };
        assert_eq!(relabel(&erase, &[]), [2, 2, 255, 2, 2, 2, 0, 0, 255]);
        let patch = Relabelling::PatchMask {
            object: "car".into(),
            fill: Fill::Class("road".into()),
        };
        let top = PixelBox::from([0, 0, 3, 1]);
        assert_eq!(relabel(&patch, &[top]), [1, 1, 255, 2, 0, 0, 0, 0, 255]);
    }

    #[test]
    fn what_changes_nothing_is_refused_by_name() {
        let bind = |r: Relabelling| r.bind(&table(), None).unwrap_err().to_string();
        let same = Relabelling::VictimToTarget {
            victims: car(),
            target: "car".into(),
        };
        assert!(bind(same).contains("victim class too"));
        let unknown = Relabelling::VictimToTarget {
            victims: vec!["bus".into()],
            target: "car".into(),
        };
        assert!(bind(unknown).contains("no class `bus`"));
        assert!(bind(Relabelling::AllShift { by: 3 }).contains("shift"));
        let always = Relabelling::Conditional {
            victims: car(),
            target: "sky".into(),
            condition: "car".into(),
        };
        assert!(bind(always).starts_with("condition"));
    }
}
