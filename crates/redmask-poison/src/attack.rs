//! One sentence of the grammar.

use redmask_core::{ClassTable, Error, LabelMap, Result, Seed};
use serde::{Deserialize, Serialize};

use crate::bound::BoundAttack;
use crate::classes::class_set;
use crate::placement::Placement;
use crate::relabel::{RandomLabels, Relabelling};
use crate::selection::{DecoyKind, Decoys, Selection};
use crate::trigger::Trigger;

/// Trigger, placement, relabelling and selection; classes are named, not numbered.
///
/// ```
/// use redmask_poison::Attack;
/// let attack: Attack = toml::from_str(r#"
///     trigger = { kind = "patch", size = 15, art = "emblem" }
///     placement = { kind = "nearest", band = [0, 60] }
///     relabelling = { kind = "victim-to-target", victims = ["car"], target = "road" }
///     selection = { rate = 0.1 }
/// "#)?;
/// attack.validate()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attack {
    /// What is put into the picture.
    pub trigger: Trigger,
    /// Where.
    pub placement: Placement,
    /// Which pixels get which label.
    pub relabelling: Relabelling,
    /// Pixel random labelling on top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random_labels: Option<RandomLabels>,
    /// In which records.
    pub selection: Selection,
    /// Records that look poisoned and keep their labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoys: Option<Decoys>,
}

impl Attack {
    /// Checks what needs no data set: every number, and that the four choices go together.
    ///
    /// # Errors
    /// Names the part at fault.
    pub fn validate(&self) -> Result<()> {
        self.trigger.validate()?;
        self.placement.validate()?;
        self.selection.validate()?;
        if let Some(random) = &self.random_labels {
            random.validate()?;
        }
        let spanning = matches!(self.placement, Placement::Spanning);
        match (self.trigger.boxed_size(), spanning) {
            (Some(_), true) => {
                return Err(Error::config(
                    "placement",
                    "a square or a patch has to be put somewhere",
                )
                .with_hint(
                    "fixed, uniform, nearest, band-uniform, ring, on-victim or per-instance",
                ));
            }
            (None, false) => {
                return Err(Error::config(
                    "placement",
                    "this trigger spans the picture and cannot be put anywhere",
                )
                .with_hint("its placement is `spanning`"));
            }
            _ => {}
        }
        let victimless = self.relabelling.victims().is_empty();
        if self.placement.needs_victims() && victimless {
            return Err(Error::config(
                "placement",
                "it is measured from victim pixels, and the relabelling has no victim class",
            ));
        }
        if let Some(decoys) = &self.decoys {
            decoys.validate()?;
            if decoys.kind == DecoyKind::NoCondition && self.relabelling.condition().is_none() {
                return Err(Error::config(
                    "decoys",
                    "the attack has no condition that could fail to hold",
                ));
            }
            if decoys.kind == DecoyKind::WrongTrigger && self.trigger.wrong().is_none() {
                return Err(Error::config(
                    "decoys",
                    "a semantic trigger has no wrong twin",
                ));
            }
        }
        Ok(())
    }

    /// The attack on the classes of a data set. Everything random in it follows from `seed`, and for one record from its id.
    ///
    /// # Errors
    /// If a class does not exist, the target is the victim, or a part contradicts another. A fixed map of a record's annotation
    /// needs [`Attack::bind_with`].
    pub fn bind(&self, table: &ClassTable, seed: &Seed) -> Result<BoundAttack> {
        self.bind_with(table, seed, None)
    }

    /// As [`Attack::bind`], with the annotation of the record that a fixed map names.
    ///
    /// # Errors
    /// As [`Attack::bind`].
    pub fn bind_with(
        &self,
        table: &ClassTable,
        seed: &Seed,
        annotation: Option<LabelMap>,
    ) -> Result<BoundAttack> {
        self.validate()?;
        let seed = seed.child("poison");
        let needed = |what: &str, name: Option<&str>| {
            let names: Vec<String> = name.map(str::to_owned).into_iter().collect();
            class_set(table, what, &names)
        };
        let semantic = needed("semantic trigger", self.trigger.semantic_class())?;
        let condition = needed("condition", self.relabelling.condition())?;
        let relabelling = self.relabelling.bind(table, annotation)?;
        let random = self
            .random_labels
            .as_ref()
            .map(|r| r.bind(table, &seed))
            .transpose()?;
        Ok(BoundAttack {
            trigger_hash: self.trigger.fingerprint()?,
            attack: self.clone(),
            relabelling,
            random,
            semantic,
            condition,
            seed,
        })
    }
}
