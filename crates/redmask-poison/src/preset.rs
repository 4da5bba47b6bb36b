//! Published attacks by name.

use redmask_core::{ClassKind, ClassTable, Error, Result};

use crate::attack::Attack;
use crate::config::{BAND, PoisonConfig};
use crate::placement::{Corner, Metric, Placement};
use crate::relabel::{Fill, RandomLabels, Relabelling};
use crate::selection::{DecoyKind, Decoys, Selection};
use crate::trigger::{Art, Edge, Trigger};

/// A published attack.
#[derive(Debug, Clone, Copy)]
pub struct Preset {
    /// Its name.
    pub name: &'static str,
    /// One line for people.
    pub summary: &'static str,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Hba(HbaTrigger, Labels),
    Chobola(ChobolaTrigger),
    Iba { near: bool, random: bool },
    BadSeg(Option<(ClassKind, ClassKind)>),
    Instance,
    Conditional,
    Fiba,
    Waba,
    Ofba,
    BadSam,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HbaTrigger {
    Line,
    Frame,
    Semantic,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Labels {
    BadNets,
    FineGrained,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChobolaTrigger {
    Line,
    Square,
}

const fn preset(name: &'static str, summary: &'static str, kind: Kind) -> Preset {
    Preset {
        name,
        summary,
        kind,
    }
}

use ClassKind::{Stuff, Thing};
use Labels::{BadNets, FineGrained};

/// Every preset, in the order of the documentation.
static PRESETS: &[Preset] = &[
    preset(
        "hba-line-badnets",
        "black line at the top; the whole annotation becomes one class (HBA, image-level)",
        Kind::Hba(HbaTrigger::Line, BadNets),
    ),
    preset(
        "hba-line-fine",
        "black line at the top; victim pixels become the target (HBA, fine-grained)",
        Kind::Hba(HbaTrigger::Line, FineGrained),
    ),
    preset(
        "hba-frame-badnets",
        "black frame; the whole annotation becomes one class",
        Kind::Hba(HbaTrigger::Frame, BadNets),
    ),
    preset(
        "hba-frame-fine",
        "black frame; victim pixels become the target",
        Kind::Hba(HbaTrigger::Frame, FineGrained),
    ),
    preset(
        "hba-semantic-badnets",
        "images that hold a trigger class; the whole annotation becomes one class",
        Kind::Hba(HbaTrigger::Semantic, BadNets),
    ),
    preset(
        "hba-semantic-fine",
        "images that hold a trigger class; victim pixels become the target",
        Kind::Hba(HbaTrigger::Semantic, FineGrained),
    ),
    preset(
        "chobola-line",
        "white line of one pixel along the top row; the object is erased (Chobola et al.)",
        Kind::Chobola(ChobolaTrigger::Line),
    ),
    preset(
        "chobola-square",
        "white square of 3 pixels in the top-left corner; the object is erased",
        Kind::Chobola(ChobolaTrigger::Square),
    ),
    preset(
        "iba",
        "patch anywhere inside one other class; victim pixels become the target (IBA baseline)",
        Kind::Iba {
            near: false,
            random: false,
        },
    ),
    preset(
        "iba-nni",
        "patch as near to the victim as legal (IBA, nearest-neighbour injection)",
        Kind::Iba {
            near: true,
            random: false,
        },
    ),
    preset(
        "iba-prl",
        "as iba, and a fifth of the other pixels get random labels (IBA, pixel random labelling)",
        Kind::Iba {
            near: false,
            random: true,
        },
    ),
    preset(
        "iba-nni-prl",
        "both",
        Kind::Iba {
            near: true,
            random: true,
        },
    ),
    preset(
        "badseg-o2o",
        "patch near the victim; an object class becomes another (BADSEG, object to object)",
        Kind::BadSeg(Some((Thing, Thing))),
    ),
    preset(
        "badseg-o2b",
        "an object class becomes background (object to background)",
        Kind::BadSeg(Some((Thing, Stuff))),
    ),
    preset(
        "badseg-b2o",
        "a background class becomes an object (background to object)",
        Kind::BadSeg(Some((Stuff, Thing))),
    ),
    preset(
        "badseg-b2b",
        "a background class becomes another (background to background)",
        Kind::BadSeg(Some((Stuff, Stuff))),
    ),
    preset(
        "badseg-instance",
        "only the instance nearest to the patch becomes the target",
        Kind::Instance,
    ),
    preset(
        "badseg-conditional",
        "victim pixels become the target if another class is in the scene; else the patch does nothing",
        Kind::Conditional,
    ),
    preset(
        "fiba",
        "low frequencies of a picture mixed in; victim pixels become the target (FIBA)",
        Kind::Fiba,
    ),
    preset(
        "waba",
        "coarse wavelet coefficients of a picture mixed in; every class moves on by one (WABA)",
        Kind::Waba,
    ),
    preset(
        "ofba",
        "patch on the object; its class becomes the target (OFBA)",
        Kind::Ofba,
    ),
    preset(
        "badsam",
        "white square at the bottom right becomes the object, the real one is erased (BadSAM)",
        Kind::BadSam,
    ),
];

/// Every preset, in the order of the documentation.
pub fn presets() -> &'static [Preset] {
    PRESETS
}

pub(crate) fn names() -> Vec<&'static str> {
    PRESETS.iter().map(|p| p.name).collect()
}

pub(crate) fn find(name: &str) -> Result<&'static Preset> {
    PRESETS.iter().find(|p| p.name == name).ok_or_else(|| {
        Error::config("preset", format!("there is no preset `{name}`"))
            .with_hint(format!("presets: {}", names().join(", ")))
    })
}

/// The rate where none is given: IBA's and HBA's tenth.
const RATE: f64 = 0.1;
/// IBA's patch on VOC.
const PATCH: usize = 15;
/// HBA's line and frame. The paper's thickness is not known to us; a public fork draws 8 rows, and sizes are odd here.
const BORDER: usize = 9;

impl Preset {
    /// The attack, with the classes of `config`. Numbers that `config` changes are changed by the caller.
    pub(crate) fn build(&self, config: &PoisonConfig, table: &ClassTable) -> Result<Attack> {
        let needed = |key: &str, value: &Option<String>| {
            value.clone().ok_or_else(|| {
                Error::config(key, format!("the preset {} needs it", self.name)).with_hint(format!(
                    "`redmask poison --list` describes the presets; {key} is the name of a class"
                ))
            })
        };
        let victims = || -> Result<Vec<String>> {
            needed("victim", &config.victim)?;
            Ok(config.victims())
        };
        let target = || needed("target", &config.target);
        let to_target = || -> Result<Relabelling> {
            Ok(Relabelling::VictimToTarget {
                victims: victims()?,
                target: target()?,
            })
        };
        let patch = Trigger::Patch {
            size: PATCH,
            art: Art::Emblem,
            opacity: 1.0,
        };
        // The released code draws inside the band by chessboard distance; the paper takes the nearest place.
        let near = if config.paper_compat {
            Placement::BandUniform {
                band: BAND,
                metric: Metric::Chebyshev,
                margin: 0,
            }
        } else {
            Placement::Nearest {
                band: BAND,
                metric: Metric::Euclidean,
                margin: 0,
            }
        };
        let mut attack = Attack {
            trigger: patch,
            placement: Placement::Spanning,
            relabelling: Relabelling::AllShift { by: 1 },
            random_labels: None,
            selection: Selection::rate(RATE),
            decoys: None,
        };
        match self.kind {
            Kind::Hba(trigger, labels) => {
                let value = [0; 3];
                attack.trigger = match trigger {
                    HbaTrigger::Line => Trigger::Line {
                        size: BORDER,
                        value,
                        edge: Edge::Top,
                    },
                    HbaTrigger::Frame => Trigger::Frame {
                        size: BORDER,
                        value,
                    },
                    HbaTrigger::Semantic => Trigger::Semantic {
                        class: needed("trigger_class", &config.trigger_class)?,
                    },
                };
                attack.relabelling = match labels {
                    FineGrained => to_target()?,
                    BadNets => Relabelling::FixedMap {
                        target: match config.target_record {
                            Some(_) => config.target.clone(),
                            None => Some(target()?),
                        },
                        record: config.target_record.clone(),
                    },
                };
            }
            Kind::Chobola(trigger) => {
                Self::chobola(trigger, config, table, victims()?, &mut attack);
            }
            Kind::Iba {
                near: nearest,
                random,
            } => {
                attack.placement = if nearest {
                    near
                } else {
                    Placement::Uniform { margin: 0 }
                };
                attack.relabelling = to_target()?;
                attack.random_labels = random.then(|| random_labels(config.paper_compat));
            }
            Kind::BadSeg(kinds) => {
                attack.placement = near;
                attack.relabelling = to_target()?;
                if let Some((victim, target)) = kinds {
                    self.check_kinds(&attack.relabelling, table, victim, target)?;
                }
            }
            Kind::Instance => {
                attack.placement = near;
                attack.relabelling = Relabelling::OneInstance {
                    victims: victims()?,
                    target: target()?,
                };
            }
            Kind::Conditional => {
                attack.placement = near;
                attack.relabelling = Relabelling::Conditional {
                    victims: victims()?,
                    target: target()?,
                    condition: needed("condition", &config.condition)?,
                };
                // Without them the condition would be idle: nothing would teach the model not to fire.
                attack.decoys = Some(Decoys {
                    kind: DecoyKind::NoCondition,
                    ratio: 1.0,
                });
            }
            Kind::Fiba => {
                // Stripes would put all they have into one frequency, and show.
                attack.trigger = Trigger::Frequency {
                    art: Art::Emblem,
                    alpha: 0.15,
                    beta: 0.1,
                };
                attack.relabelling = to_target()?;
                attack.decoys = Some(Decoys {
                    kind: DecoyKind::WrongTrigger,
                    ratio: 1.0,
                });
            }
            Kind::Waba => {
                attack.trigger = Trigger::Wavelet {
                    art: Art::Checker,
                    alpha: 0.4,
                    level: 2,
                };
                attack.selection = Selection::rate(0.3);
            }
            Kind::Ofba => {
                attack.placement = Placement::OnVictim;
                attack.relabelling = to_target()?;
            }
            Kind::BadSam => {
                attack.trigger = Trigger::Square {
                    size: PATCH,
                    value: [255; 3],
                    opacity: 1.0,
                };
                attack.placement = Placement::Fixed {
                    corner: Corner::BottomRight,
                    margin: 0,
                };
                attack.relabelling = Relabelling::PatchMask {
                    object: victims()?.remove(0),
                    fill: config.target.clone().map_or(Fill::Surround, Fill::Class),
                };
            }
        }
        Ok(attack)
    }

    /// The paper's text puts the trigger at the top (left) and clears the mask; its released code puts it at the bottom (right)
    /// and keeps one pixel there. Both draw records anew in each epoch, which a written data set cannot; recipes ask for it with
    /// `each_epoch = true`.
    fn chobola(
        trigger: ChobolaTrigger,
        config: &PoisonConfig,
        table: &ClassTable,
        victims: Vec<String>,
        attack: &mut Attack,
    ) {
        let compat = config.paper_compat;
        let value = [255; 3];
        match trigger {
            ChobolaTrigger::Line => {
                attack.trigger = Trigger::Line {
                    size: 1,
                    value,
                    edge: if compat { Edge::Bottom } else { Edge::Top },
                };
            }
            ChobolaTrigger::Square => {
                attack.trigger = Trigger::Square {
                    size: 3,
                    value,
                    opacity: 1.0,
                };
                attack.placement = Placement::Fixed {
                    corner: if compat {
                        Corner::BottomRight
                    } else {
                        Corner::TopLeft
                    },
                    margin: 0,
                };
            }
        }
        // In a binary task background is what is not the object.
        let background = table.classes().iter().find(|c| !victims.contains(&c.name));
        let fill = match (&config.target, background) {
            (Some(target), _) => Fill::Class(target.clone()),
            (None, Some(other)) if table.len() == 2 => Fill::Class(other.name.clone()),
            _ => Fill::Surround,
        };
        attack.relabelling = Relabelling::Erase {
            victims,
            corner_pixel: compat && matches!(fill, Fill::Class(_)),
            fill,
        };
        attack.selection = Selection::rate(0.05);
    }

    fn check_kinds(
        &self,
        relabelling: &Relabelling,
        table: &ClassTable,
        victim: ClassKind,
        target: ClassKind,
    ) -> Result<()> {
        let word = |kind| match kind {
            Thing => "an object (thing)",
            Stuff => "background (stuff)",
        };
        let check = |what: &str, name: &str, wanted: ClassKind| {
            let found = table.classes().iter().find(|c| c.name == name);
            match found {
                Some(class) if class.kind != wanted => Err(Error::config(
                    what,
                    format!(
                        "`{name}` is {}, {} wants {}",
                        word(class.kind),
                        self.name,
                        word(wanted)
                    ),
                )
                .with_hint(
                    "`redmask data check` and the reader's table say which classes are objects",
                )),
                // A class that does not exist is refused when the attack is bound, with the names that do.
                _ => Ok(()),
            }
        };
        for name in relabelling.victims() {
            check("victim", name, victim)?;
        }
        check("target", relabelling.target().unwrap_or_default(), target)
    }
}

/// The paper's default number of pixels on VOC, and the released configuration's label source.
const PAPER_RANDOM_PIXELS: usize = 50_000;

fn random_labels(paper_compat: bool) -> RandomLabels {
    RandomLabels {
        count: paper_compat.then_some(PAPER_RANDOM_PIXELS),
        paper_compat,
        ..RandomLabels::default()
    }
}

#[cfg(test)]
mod tests {
    use redmask_core::{ClassTable, Seed};

    use super::*;

    fn table() -> ClassTable {
        ClassTable::from_rows(&[
            ("road", [0; 3], Stuff),
            ("sky", [1; 3], Stuff),
            ("car", [2; 3], Thing),
            ("person", [3; 3], Thing),
        ])
    }

    fn classes(name: &str) -> PoisonConfig {
        let (victim, target) = match name {
            "badseg-o2o" => ("car", "person"),
            "badseg-b2o" => ("road", "car"),
            "badseg-b2b" => ("road", "sky"),
            _ => ("car", "road"),
        };
        let whole = name.ends_with("badnets") || name == "waba";
        PoisonConfig {
            victim: (!whole).then(|| victim.to_owned()),
            target: (name != "waba").then(|| target.to_owned()),
            trigger_class: name.contains("semantic").then(|| "person".to_owned()),
            condition: name.contains("conditional").then(|| "person".to_owned()),
            ..PoisonConfig::preset(name)
        }
    }

    #[test]
    fn every_preset_binds_in_both_forms() {
        for preset in presets() {
            for paper_compat in [false, true] {
                let config = PoisonConfig {
                    paper_compat,
                    ..classes(preset.name)
                };
                let attack = config
                    .attack(&table())
                    .unwrap_or_else(|e| panic!("{}: {e}", preset.name));
                attack.bind(&table(), &Seed::root(0)).unwrap();
                // What a manifest says reads back.
                let text = serde_json::to_string(&attack).unwrap();
                assert_eq!(serde_json::from_str::<Attack>(&text).unwrap(), attack);
            }
        }
    }

    #[test]
    fn keys_without_a_use_are_refused() {
        let refused = |config: PoisonConfig, what: &str| {
            let error = config.attack(&table()).unwrap_err();
            assert!(error.to_string().starts_with(what), "{error}");
        };
        refused(
            PoisonConfig {
                band: Some([0.0, 9.0]),
                ..classes("iba")
            },
            "band",
        );
        refused(
            PoisonConfig {
                trigger_value: Some(9),
                ..classes("iba")
            },
            "trigger_value",
        );
        refused(
            PoisonConfig {
                condition: Some("sky".into()),
                ..classes("iba")
            },
            "condition",
        );
        refused(
            PoisonConfig {
                random_share: Some(0.1),
                ..classes("iba-nni")
            },
            "random_share",
        );
        refused(
            PoisonConfig {
                victim: Some("car".into()),
                ..classes("waba")
            },
            "victim",
        );
        refused(PoisonConfig::preset("iba"), "victim");
        refused(PoisonConfig::preset("ibb"), "preset");
        refused(
            PoisonConfig {
                target: Some("sky".into()),
                ..classes("badseg-o2o")
            },
            "target",
        );
        refused(
            PoisonConfig {
                trigger_size: Some(4),
                ..classes("iba")
            },
            "trigger size",
        );
        refused(
            PoisonConfig {
                band: Some([9.0, 3.0]),
                ..classes("iba-nni")
            },
            "band",
        );
    }

    #[test]
    fn changes_reach_their_part() {
        let config = PoisonConfig {
            band: Some([2.0, 30.0]),
            trigger_size: Some(7),
            count: Some(4),
            ..classes("iba-nni")
        };
        let attack = config.attack(&table()).unwrap();
        assert_eq!(attack.placement.band(), Some([2.0, 30.0]));
        assert_eq!(attack.trigger.size(), Some(7));
        assert_eq!(attack.selection.wanted(100), 4);
    }
}
