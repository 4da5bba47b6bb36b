//! Choosing the target class by what the data or a model says.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

use redmask_core::{ClassId, ClassTable, Error, IGNORE, Result};
use redmask_data::Limits;
use serde::{Deserialize, Serialize};

use crate::ClassSet;
use crate::survey::Survey;

/// How the target class is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetChoice {
    /// By name.
    Fixed(String),
    /// The class that is most often in an image with the victim (ConSeg: an attack towards it is easier).
    CoOccurrence,
    /// The class whose centre in feature space is nearest to the victim's (BADSEG's semantic distance).
    Nearest,
    /// The class whose centre is farthest.
    Farthest,
}

impl FromStr for TargetChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text {
            "auto:co-occurrence" => Self::CoOccurrence,
            "auto:nearest" => Self::Nearest,
            "auto:farthest" => Self::Farthest,
            other if other.starts_with("auto:") => {
                return Err(
                    Error::config("target", format!("there is no choice `{other}`"))
                        .with_hint("auto:co-occurrence, auto:nearest, auto:farthest, or a class"),
                );
            }
            class => Self::Fixed(class.to_owned()),
        })
    }
}

/// Which classes share images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CoOccurrence {
    /// Class names, in id order.
    pub classes: Vec<String>,
    /// `share[a][b]`: among images with class `a`, the share that hold `b`; 0 where no image holds `a`.
    pub share: Vec<Vec<f64>>,
    /// Images with each class.
    pub images: Vec<u64>,
}

impl CoOccurrence {
    /// Counts a survey.
    pub fn of(survey: &Survey, table: &ClassTable) -> Self {
        let k = table.len();
        let mut both = vec![vec![0u64; k]; k];
        for pixels in &survey.pixels {
            let present: Vec<usize> = (0..k).filter(|&c| pixels[c] > 0).collect();
            for &a in &present {
                for &b in &present {
                    both[a][b] += 1;
                }
            }
        }
        let images: Vec<u64> = (0..k).map(|c| both[c][c]).collect();
        let share = (0..k)
            .map(|a| {
                let of = images[a].max(1) as f64;
                both[a].iter().map(|&n| n as f64 / of).collect()
            })
            .collect();
        Self {
            classes: table.classes().iter().map(|c| c.name.clone()).collect(),
            share,
            images,
        }
    }

    /// The class that is most often with a victim class, the first of equals; never a victim.
    pub fn companion(&self, victims: &ClassSet) -> Option<ClassId> {
        let with = |b: usize| -> f64 {
            victims
                .ids()
                .map(|v| self.share[usize::from(v)][b])
                .fold(0.0, f64::max)
        };
        let candidates = (0..self.classes.len()).filter(|&b| !victims.has(b as ClassId));
        candidates
            .filter(|&b| with(b) > 0.0)
            .max_by(|&a, &b| with(a).total_cmp(&with(b)).then(b.cmp(&a)))
            .map(|b| b as ClassId)
    }
}

/// Class centres in the feature space of a model, by class name: the mean feature over a class's pixels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClassCentres(pub BTreeMap<String, Vec<f64>>);

impl ClassCentres {
    /// Reads a JSON object of class name to vector.
    ///
    /// # Errors
    /// If it is none, or the vectors differ in length.
    pub fn read(path: &Path) -> Result<Self> {
        let limits = Limits {
            max_bytes: 16 << 20,
            ..Limits::default()
        };
        let centres: Self = serde_json::from_str(&limits.read_text(path)?)
            .map_err(|e| Error::input(path, format!("not class centres: {e}")))?;
        let mut lengths = centres.0.values().map(Vec::len);
        let first = lengths.next().unwrap_or(0);
        if first == 0 || lengths.any(|n| n != first) {
            return Err(Error::input(
                path,
                "the centres differ in length, or are empty",
            ));
        }
        Ok(centres)
    }

    /// Every other class by cosine distance from `victim`, nearest first; ties in order of name.
    ///
    /// # Errors
    /// If the victim has no centre, or is the only class with one.
    pub fn ranked(&self, victim: &str) -> Result<Vec<(&str, f64)>> {
        let missing = |what: String| Error::config("target", what);
        let own = self
            .0
            .get(victim)
            .ok_or_else(|| missing(format!("the victim class `{victim}` has no centre")))?;
        let mut ranked: Vec<(&str, f64)> = self
            .0
            .iter()
            .filter(|(name, _)| name.as_str() != victim)
            .map(|(name, centre)| (name.as_str(), cosine_distance(own, centre)))
            .collect();
        if ranked.is_empty() {
            return Err(missing("no other class has a centre".to_owned()));
        }
        ranked.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(b.0)));
        Ok(ranked)
    }
}

fn cosine_distance(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let norm = (dot(a, a) * dot(b, b)).sqrt();
    if norm > 0.0 {
        1.0 - dot(a, b) / norm
    } else {
        1.0
    }
}

impl TargetChoice {
    /// The target class by name.
    ///
    /// # Errors
    /// If the choice needs class centres that were not given, or finds no class.
    pub fn resolve(
        &self,
        victims: &[String],
        table: &ClassTable,
        co_occurrence: &CoOccurrence,
        centres: Option<&ClassCentres>,
    ) -> Result<String> {
        let none = |what: &str| Error::config("target", what);
        let ranked = || {
            let centres = centres.ok_or_else(|| {
                none("class centres are needed to choose by semantic distance")
                    .with_hint("give them with --centres FILE.json: class name to feature vector")
            })?;
            let victim = victims
                .first()
                .ok_or_else(|| none("there is no victim class to be near to"))?;
            let ranked = centres.ranked(victim)?;
            let known = ranked
                .into_iter()
                .filter(|(name, _)| table.id_of(name).is_some())
                .filter(|(name, _)| victims.iter().all(|v| v != name));
            Ok::<_, Error>(known.map(|(name, _)| name.to_owned()).collect::<Vec<_>>())
        };
        match self {
            Self::Fixed(name) => Ok(name.clone()),
            Self::CoOccurrence => {
                let ids = crate::classes::class_set(table, "victim", victims)?;
                let id = co_occurrence
                    .companion(&ids)
                    .filter(|&id| id != IGNORE)
                    .ok_or_else(|| none("no class is ever in an image with the victim"))?;
                Ok(co_occurrence.classes[usize::from(id)].clone())
            }
            Self::Nearest => ranked()?
                .into_iter()
                .next()
                .ok_or_else(|| none("no class of the data has a centre")),
            Self::Farthest => ranked()?
                .pop()
                .ok_or_else(|| none("no class of the data has a centre")),
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
            ("sky", [1; 3], ClassKind::Stuff),
            ("car", [2; 3], ClassKind::Thing),
        ])
    }

    fn survey(rows: &[&[usize]]) -> Survey {
        let row = |classes: &&[usize]| {
            let mut pixels = [0; 256];
            for &c in *classes {
                pixels[c] = 5;
            }
            pixels
        };
        Survey {
            pixels: rows.iter().map(row).collect(),
        }
    }

    #[test]
    fn the_companion_is_the_class_that_is_most_often_there() {
        let counted = CoOccurrence::of(
            &survey(&[&[0, 1], &[0, 2], &[1, 2], &[0, 2], &[1]]),
            &table(),
        );
        assert_eq!(counted.images, [3, 3, 3]);
        assert_eq!(counted.share[2], [2.0 / 3.0, 1.0 / 3.0, 1.0]);
        let choice = |text: &str| -> TargetChoice { text.parse().unwrap() };
        let car = ["car".to_owned()];
        let target = choice("auto:co-occurrence").resolve(&car, &table(), &counted, None);
        assert_eq!(target.unwrap(), "road");
        let centres = ClassCentres(BTreeMap::from([
            ("car".to_owned(), vec![1.0, 0.0]),
            ("road".to_owned(), vec![0.0, 1.0]),
            ("sky".to_owned(), vec![2.0, 0.5]),
        ]));
        let by = |text: &str| choice(text).resolve(&car, &table(), &counted, Some(&centres));
        assert_eq!(by("auto:nearest").unwrap(), "sky");
        assert_eq!(by("auto:farthest").unwrap(), "road");
        assert!(
            choice("auto:nearest")
                .resolve(&car, &table(), &counted, None)
                .is_err()
        );
        assert!("auto:random".parse::<TargetChoice>().is_err());
    }
}
