//! Pixel random labelling, a modifier (IBA, section 3.4).

use rand::RngExt;
use rand::seq::index;
use redmask_core::{ClassId, ClassTable, Error, IGNORE, LabelMap, Result, Seed};
use serde::{Deserialize, Serialize};

use crate::ClassSet;
use crate::classes::class_id;

/// Random pixels get random labels, so that a model must look farther around and learns the trigger at any distance.
///
/// By default each image draws its own positions among its labelled pixels outside the victim, and labels among the classes
/// that it holds besides the victim. `paper_compat` is the released code: every image of the split is relabelled, poisoned or
/// not; equally large images share their positions; positions fall anywhere and labels may be the victim's or ignore, and
/// victim pixels get their labels back afterwards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomLabels {
    /// Share of the labelled pixels, in `(0, 1]`. The paper's 50,000 pixels are 0.2 of a VOC image.
    #[serde(default = "fifth")]
    pub share: f64,
    /// A number of pixels instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// Which images.
    #[serde(default)]
    pub scope: RandomScope,
    /// What labels are drawn from.
    #[serde(default)]
    pub labels: LabelSource,
    /// As the released code does it.
    #[serde(default)]
    pub paper_compat: bool,
}

fn fifth() -> f64 {
    0.2
}

impl Default for RandomLabels {
    fn default() -> Self {
        Self {
            share: fifth(),
            count: None,
            scope: RandomScope::default(),
            labels: LabelSource::default(),
            paper_compat: false,
        }
    }
}

/// Which images get random labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RandomScope {
    /// Poisoned ones.
    #[default]
    Poisoned,
    /// All of the split.
    All,
}

/// What random labels are drawn from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LabelSource {
    /// The classes of the same image: the paper's choice.
    #[default]
    SameImage,
    /// All classes of the data set.
    DataSet,
    /// One class.
    Class(String),
    /// None: the pixels are ignored.
    Ignore,
}

impl RandomLabels {
    pub(crate) fn validate(&self) -> Result<()> {
        if self.count == Some(0) {
            return Err(Error::config(
                "random_labels.count",
                "0 pixels change nothing",
            ));
        }
        if !(self.share > 0.0 && self.share <= 1.0) {
            return Err(Error::config(
                "random_labels.share",
                format!("{} is not above 0 and at most 1", self.share),
            ));
        }
        Ok(())
    }

    pub(crate) fn bind(&self, table: &ClassTable, seed: &Seed) -> Result<BoundRandom> {
        self.validate()?;
        let fixed = match &self.labels {
            LabelSource::SameImage => None,
            LabelSource::DataSet => Some((0..table.len() as u8).collect()),
            LabelSource::Class(name) => Some(vec![class_id(table, "random_labels.labels", name)?]),
            LabelSource::Ignore => Some(vec![IGNORE]),
        };
        Ok(BoundRandom {
            config: self.clone(),
            fixed,
            shared: seed.child("random-labels"),
        })
    }
}

/// Random labelling on the classes of a data set.
#[derive(Debug, Clone)]
pub(crate) struct BoundRandom {
    config: RandomLabels,
    /// Labels that do not depend on the image.
    fixed: Option<Vec<ClassId>>,
    /// Where every image draws from under `paper_compat`.
    shared: Seed,
}

impl BoundRandom {
    pub(crate) fn scope(&self) -> RandomScope {
        if self.config.paper_compat {
            RandomScope::All
        } else {
            self.config.scope
        }
    }

    /// Relabels `labels` in place; `own` is the image's seed. `victims` keep their labels and give none away.
    pub(crate) fn apply(&self, labels: &mut LabelMap, victims: &ClassSet, own: &Seed) {
        let compat = self.config.paper_compat;
        let eligible: Vec<usize> = labels
            .data()
            .iter()
            .enumerate()
            .filter(|&(_, &c)| compat || (c != IGNORE && !victims.has(c)))
            .map(|(i, _)| i)
            .collect();
        let source = match &self.fixed {
            Some(fixed) => fixed.clone(),
            None => present(labels, |c| compat || (c != IGNORE && !victims.has(c))),
        };
        let source: Vec<ClassId> = source
            .into_iter()
            .filter(|&c| compat || !victims.has(c))
            .collect();
        if source.is_empty() || eligible.is_empty() {
            return;
        }
        let valid = labels.data().iter().filter(|&&c| c != IGNORE).count();
        let wanted = self
            .config
            .count
            .unwrap_or((self.config.share * valid as f64).round() as usize)
            .min(eligible.len());
        let seed = if compat {
            self.shared
        } else {
            own.child("random-labels")
        };
        let mut rng = seed.rng();
        for at in index::sample(&mut rng, eligible.len(), wanted) {
            let at = eligible[at];
            let label = source[rng.random_range(0..source.len())];
            // An ignored pixel stays so, also in the released code's lottery: a loss that ignores it learns nothing there,
            // and one that does not would learn from pixels that nobody annotated.
            let before = labels.data()[at];
            if before != IGNORE && !victims.has(before) {
                labels.data_mut()[at] = label;
            }
        }
    }
}

/// The classes of a map, ascending.
fn present(labels: &LabelMap, wanted: impl Fn(ClassId) -> bool) -> Vec<ClassId> {
    let mut seen = [false; 256];
    for &c in labels.data() {
        seen[usize::from(c)] = true;
    }
    (0..=255)
        .filter(|&c| seen[usize::from(c)] && wanted(c))
        .collect()
}

#[cfg(test)]
mod tests {
    use redmask_core::ClassKind;

    use super::*;

    fn table() -> ClassTable {
        ClassTable::from_rows(&[
            ("a", [0; 3], ClassKind::Stuff),
            ("b", [1; 3], ClassKind::Stuff),
            ("victim", [2; 3], ClassKind::Thing),
            ("absent", [3; 3], ClassKind::Thing),
        ])
    }

    fn map() -> LabelMap {
        let pixels = (0..100).map(|i| match i % 10 {
            0..=3 => 0,
            4..=6 => 1,
            7 | 8 => 2,
            _ => 255,
        });
        LabelMap::new(10, 10, pixels.collect())
    }

    fn run(config: &RandomLabels, own: u64) -> LabelMap {
        let bound = config.bind(&table(), &Seed::root(0)).unwrap();
        let mut labels = map();
        bound.apply(&mut labels, &ClassSet::of([2]), &Seed::root(own));
        labels
    }

    #[test]
    fn victims_and_ignored_pixels_stay() {
        for compat in [false, true] {
            let config = RandomLabels {
                share: 1.0,
                paper_compat: compat,
                ..RandomLabels::default()
            };
            let after = run(&config, 1);
            let mut changed = 0;
            for (&before, &now) in map().data().iter().zip(after.data()) {
                assert!(before == now || before < 2);
                changed += usize::from(before != now);
                assert!(compat || now != 3 && (now != 2 || before == 2));
            }
            assert!(changed > 10, "{changed}");
        }
    }

    #[test]
    fn positions_are_each_image_s_own_but_in_the_released_code() {
        let config = RandomLabels::default();
        assert_eq!(run(&config, 1), run(&config, 1));
        assert_ne!(run(&config, 1), run(&config, 2));
        let compat = RandomLabels {
            paper_compat: true,
            ..config
        };
        assert_eq!(run(&compat, 1), run(&compat, 2));
    }

    #[test]
    fn the_share_is_of_labelled_pixels() {
        let config = RandomLabels {
            labels: LabelSource::Class("absent".into()),
            ..RandomLabels::default()
        };
        let after = run(&config, 3);
        // 90 labelled pixels, a fifth of them.
        let relabelled: Vec<_> = after.data().iter().filter(|&&c| c == 3).collect();
        assert_eq!(relabelled.len(), 18);
    }
}
