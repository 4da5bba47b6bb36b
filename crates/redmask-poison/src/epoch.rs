//! Poisoning in the loader: drawn anew in each epoch.

use rand::RngExt;
use redmask_core::{Error, Fingerprint, FingerprintBuilder, Result, Sample};

use crate::bound::BoundAttack;
use crate::survey::{Survey, count_pixels};

/// Poisons each usable record with a probability of its own in each epoch, so that the expected share of poisoned records is the
/// rate (Chobola et al. 2022). A record without a legal place stays clean in that epoch.
#[derive(Debug, Clone)]
pub struct EpochPoison {
    attack: BoundAttack,
    probability: f64,
}

impl EpochPoison {
    /// An attack on the records that were surveyed.
    ///
    /// # Errors
    /// If no record can be used, or the selection has no rate.
    pub fn new(attack: BoundAttack, survey: &Survey) -> Result<Self> {
        let usable = survey.pixels.iter().filter(|p| attack.can_use(p)).count();
        if usable == 0 {
            return Err(crate::draft::unusable(&attack));
        }
        let selection = attack.attack().selection;
        if selection.rate.is_none() {
            return Err(Error::config(
                "count",
                "records that are drawn in each epoch have a rate",
            ));
        }
        Ok(Self {
            probability: selection.probability(survey.pixels.len(), usable),
            attack,
        })
    }

    /// The record as the attacker leaves it in `epoch`, `None` if it stays clean.
    pub fn rewrite(&self, sample: &Sample, epoch: u32) -> Option<Sample> {
        let node = self.attack.seed.child("epoch").index(u64::from(epoch));
        let drawn = node.child(sample.id.as_str()).rng().random::<f64>() < self.probability;
        if !drawn || !self.attack.can_use(&count_pixels(&sample.labels)) {
            return None;
        }
        // Places and random labels are drawn anew as well.
        let mut attack = self.attack.clone();
        attack.seed = node;
        attack.poison(sample.clone()).ok()
    }

    /// A hash of everything that decides what happens to which record.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut builder = FingerprintBuilder::new();
        builder
            .part("attack", format!("{:?}", self.attack.attack()).as_bytes())
            .part("seed", self.attack.seed.as_bytes())
            .part("probability", &self.probability.to_le_bytes());
        builder.finish()
    }
}

#[cfg(test)]
mod tests {
    use redmask_core::{Seed, Session};
    use redmask_data::{OpenOptions, open};

    use super::*;
    use crate::{PoisonConfig, survey};

    #[test]
    fn the_share_is_the_rate_and_epochs_differ() {
        let scenes = open(
            &"polyp:3?count=60&size=32".parse().unwrap(),
            &OpenOptions::default(),
        )
        .unwrap();
        let config = PoisonConfig {
            victim: Some("polyp".into()),
            rate: Some(0.3),
            each_epoch: Some(true),
            ..PoisonConfig::preset("chobola-line")
        };
        let table = scenes.class_table();
        let attack = config.attack(table).unwrap();
        let bound = attack.bind(table, &Seed::root(0)).unwrap();
        let labels = |i: usize| Ok(scenes.sample(i)?.labels);
        let survey = survey(scenes.len(), labels, &Session::default()).unwrap();
        let poison = EpochPoison::new(bound, &survey).unwrap();
        let hit = |epoch| -> Vec<bool> {
            (0..60)
                .map(|i| poison.rewrite(&scenes.sample(i).unwrap(), epoch).is_some())
                .collect()
        };
        let (first, second) = (hit(0), hit(1));
        assert_eq!(first, hit(0));
        assert_ne!(first, second);
        let share = first.iter().chain(&second).filter(|h| **h).count() as f64 / 120.0;
        // Three standard deviations of a binomial with 120 draws.
        assert!((share - 0.3).abs() < 0.13, "{share}");
        let clean = scenes.sample(0).unwrap();
        let changed = (0..)
            .find_map(|epoch| poison.rewrite(&clean, epoch))
            .unwrap();
        assert!(changed.labels.data().iter().all(|&c| c == 0));
        assert!(changed.image.data()[..32].iter().all(|&v| v == 255));
    }
}
