//! An attack on the classes of a data set: what it does to one record.

use std::fmt;

use rand::Rng;
use rand::seq::SliceRandom;
use redmask_core::{ClassId, Fingerprint, Image, InstanceMap, LabelMap, Sample, SampleId, Seed};
use serde::{Deserialize, Serialize};

use crate::attack::Attack;
use crate::classes::ClassSet;
use crate::placement::{Metric, PixelBox, Place, Placement, Scene, find};
use crate::region::{Region, instance_ids};
use crate::relabel::{Bound, BoundRandom, RandomScope, Relabelling};
use crate::survey::count_pixels;
use crate::trigger::Trigger;

/// An [`Attack`] with class ids in place of names. What it does to a record depends on the attack's seed and the record's id,
/// not on other records.
#[derive(Debug, Clone)]
pub struct BoundAttack {
    pub(crate) attack: Attack,
    pub(crate) relabelling: Bound,
    pub(crate) random: Option<BoundRandom>,
    /// Classes that must be in the scene: of the trigger, of the condition.
    pub(crate) semantic: ClassSet,
    pub(crate) condition: ClassSet,
    pub(crate) trigger_hash: Fingerprint,
    /// Root of every draw of this attack.
    pub(crate) seed: Seed,
}

/// Why a record cannot be poisoned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// No legal place for the trigger.
    NoLegalPlace,
    /// The relabelling would change nothing: everything that it names has the wanted label already.
    NothingToRelabel,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoLegalPlace => "no legal place for the trigger",
            Self::NothingToRelabel => "the relabelling would change nothing",
        })
    }
}

/// What will be done to one record.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// Where the trigger goes: one box, one for each instance, or none for a semantic trigger.
    pub boxes: Vec<PixelBox>,
    /// From the box's centre to the nearest pixel that the attack is about; `None` for triggers that span the picture.
    pub distance: Option<f64>,
    /// The labels that the attacker wants, random labels included.
    pub labels: LabelMap,
    /// Pixels that the attack is about.
    pub victim_pixels: u64,
    /// Pixels whose label the relabelling changes.
    pub relabelled_pixels: u64,
    /// Further pixels whose label random labelling changes.
    pub randomised_pixels: u64,
}

/// A test record with the trigger on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Triggered {
    /// The picture.
    pub image: Image,
    /// The labels that a successful attack makes the model predict.
    pub wanted: LabelMap,
    /// Where the trigger is.
    pub boxes: Vec<PixelBox>,
    /// See [`Planned::distance`].
    pub distance: Option<f64>,
}

impl BoundAttack {
    /// The attack in names.
    pub fn attack(&self) -> &Attack {
        &self.attack
    }

    /// A hash of the trigger as drawn.
    pub fn trigger_hash(&self) -> Fingerprint {
        self.trigger_hash
    }

    /// The victim classes; none for attacks on whole annotations.
    pub fn victims(&self) -> &ClassSet {
        &self.relabelling.victims
    }

    /// Whether random labels go to every record of the split.
    pub(crate) fn randomises_all(&self) -> bool {
        self.random
            .as_ref()
            .is_some_and(|r| r.scope() == RandomScope::All)
    }

    /// Whether a record with this many pixels of each class can be poisoned at all: it bears a victim pixel, holds the
    /// semantic trigger, and the condition holds.
    pub fn can_use(&self, pixels: &[u64; 256]) -> bool {
        self.bears_victim(pixels) && holds(&self.condition, pixels)
    }

    /// Whether it bears a victim and the trigger could fire but for the condition.
    pub(crate) fn lacks_condition(&self, pixels: &[u64; 256]) -> bool {
        self.bears_victim(pixels) && !holds(&self.condition, pixels)
    }

    fn bears_victim(&self, pixels: &[u64; 256]) -> bool {
        let has = |id: ClassId| pixels[usize::from(id)] > 0;
        let victims = &self.relabelling.victims;
        (victims.is_empty() || victims.ids().any(has)) && holds(&self.semantic, pixels)
    }

    /// Whether a record holds the class of a semantic trigger; true for every other trigger.
    pub fn holds_trigger(&self, labels: &LabelMap) -> bool {
        self.semantic.is_empty() || labels.data().iter().any(|&c| self.semantic.has(c))
    }

    /// Places the trigger and relabels, without touching the picture.
    ///
    /// # Errors
    /// [`Refusal`] if the record cannot be poisoned; the caller goes on to the next one.
    pub fn plan(
        &self,
        id: &SampleId,
        labels: &LabelMap,
        instances: Option<&InstanceMap>,
    ) -> Result<Planned, Refusal> {
        let seed = self.seed.child("record").child(id.as_str());
        let (region, place) = self.place(labels, instances, &seed)?;
        // Random labels come first: the victim keeps its own, and the attack has the last word.
        let mut noisy = labels.clone();
        if let Some(random) = &self.random {
            random.apply(&mut noisy, &self.relabelling.victims, &seed);
        }
        let clean = self.relabelling.apply(labels, &region, &place.boxes);
        let relabelled_pixels = differing(labels, &clean);
        if relabelled_pixels == 0 {
            return Err(Refusal::NothingToRelabel);
        }
        let mut randomised_pixels = 0;
        let wanted = labels.data().iter().zip(clean.data()).zip(noisy.data());
        let merged: Vec<ClassId> = wanted
            .map(|((&before, &attacked), &random)| {
                if attacked == before {
                    randomised_pixels += u64::from(random != before);
                    random
                } else {
                    attacked
                }
            })
            .collect();
        Ok(Planned {
            boxes: place.boxes,
            distance: place.distance,
            labels: LabelMap::new(labels.height(), labels.width(), merged),
            victim_pixels: region.count(),
            relabelled_pixels,
            randomised_pixels,
        })
    }

    /// Random labels alone, for records that are not poisoned when every record gets them.
    pub(crate) fn randomise(&self, id: &SampleId, labels: &LabelMap) -> LabelMap {
        let mut noisy = labels.clone();
        if let Some(random) = &self.random {
            let seed = self.seed.child("record").child(id.as_str());
            random.apply(&mut noisy, &self.relabelling.victims, &seed);
        }
        noisy
    }

    /// Where a decoy's trigger goes.
    pub(crate) fn decoy_boxes(
        &self,
        id: &SampleId,
        labels: &LabelMap,
        instances: Option<&InstanceMap>,
    ) -> Result<Vec<PixelBox>, Refusal> {
        let seed = self.seed.child("decoy").child(id.as_str());
        Ok(self.place(labels, instances, &seed)?.1.boxes)
    }

    /// Puts the trigger into a picture.
    pub fn stamp(&self, image: &mut Image, boxes: &[PixelBox]) {
        self.attack.trigger.put(image, boxes);
    }

    /// Puts a wrong trigger of the same size into a picture; `false` if there is none, for a semantic trigger.
    pub fn stamp_wrong(&self, image: &mut Image, boxes: &[PixelBox]) -> bool {
        let wrong = self.attack.trigger.wrong();
        if let Some(wrong) = &wrong {
            wrong.put(image, boxes);
        }
        wrong.is_some()
    }

    /// A test record with the trigger on it and without random labels, placed from a seed of its own. Whether the record bears
    /// a victim, and whether the condition holds, is the caller's to ask ([`BoundAttack::can_use`]).
    ///
    /// # Errors
    /// As [`BoundAttack::plan`].
    pub fn test(&self, sample: &Sample) -> Result<Triggered, Refusal> {
        let seed = self.seed.child("test").child(sample.id.as_str());
        let (region, place) = self.place(&sample.labels, sample.instances.as_ref(), &seed)?;
        let wanted = self
            .relabelling
            .apply(&sample.labels, &region, &place.boxes);
        if differing(&sample.labels, &wanted) == 0 {
            return Err(Refusal::NothingToRelabel);
        }
        let mut image = sample.image.clone();
        self.stamp(&mut image, &place.boxes);
        Ok(Triggered {
            image,
            wanted,
            boxes: place.boxes,
            distance: place.distance,
        })
    }

    /// A test record on which the attack must not fire, prepared as if it should: the trigger where the condition fails, or the
    /// untouched picture of a record that bears a victim and lacks the class of a semantic trigger. The share of its pixels
    /// predicted as wanted is a false activation rate.
    ///
    /// `None` for other attacks, for records on which this one fires, and where there is no legal place.
    pub fn must_not_fire(&self, sample: &Sample) -> Option<Triggered> {
        let pixels = count_pixels(&sample.labels);
        let victims = &self.relabelling.victims;
        let bears = victims.ids().any(|id| pixels[usize::from(id)] > 0);
        let guarded = !self.semantic.is_empty() || !self.condition.is_empty();
        if !guarded || !bears || self.can_use(&pixels) {
            return None;
        }
        self.test(sample).ok()
    }

    /// The same attack with its trigger placed otherwise: at a distance ring, say. Draws come from the same seed.
    #[must_use]
    pub fn placed(&self, placement: Placement) -> Self {
        let mut moved = self.clone();
        moved.attack.placement = placement;
        moved
    }

    /// The same attack with another trigger: of another size or opacity, say.
    ///
    /// # Errors
    /// If the trigger is invalid or does not go with the placement.
    pub fn triggered(&self, trigger: Trigger) -> redmask_core::Result<Self> {
        let mut changed = self.clone();
        changed.trigger_hash = trigger.fingerprint()?;
        changed.attack.trigger = trigger;
        changed.attack.validate()?;
        Ok(changed)
    }

    fn place(
        &self,
        labels: &LabelMap,
        instances: Option<&InstanceMap>,
        seed: &Seed,
    ) -> Result<(Region, Place), Refusal> {
        let mut rng = seed.child("place").rng();
        let victims = &self.relabelling.victims;
        if !matches!(self.attack.relabelling, Relabelling::OneInstance { .. }) {
            let mut region = Region::of_classes(labels, victims);
            if self.attack.placement == Placement::PerInstance {
                region.instances = instance_ids(labels, victims, instances);
            }
            let place = self.place_for(labels, &region, &mut rng);
            return place
                .map(|place| (region, place))
                .ok_or(Refusal::NoLegalPlace);
        }
        let ids = instance_ids(labels, victims, instances);
        let mut order: Vec<u32> = (1..=ids.iter().copied().max().unwrap_or(0)).collect();
        order.shuffle(&mut rng);
        for id in order {
            let region = Region::of_instance(&ids, id);
            if let Some(place) = self.place_for(labels, &region, &mut rng) {
                return Ok((region, place));
            }
        }
        Err(Refusal::NoLegalPlace)
    }

    fn place_for(&self, labels: &LabelMap, region: &Region, rng: &mut impl Rng) -> Option<Place> {
        let Some(side) = self.attack.trigger.boxed_size() else {
            let span = self.attack.trigger.span(labels.height(), labels.width());
            let semantic = self.attack.trigger.semantic_class().is_some();
            return (span.is_some() || semantic).then(|| Place {
                boxes: span.into_iter().collect(),
                distance: None,
            });
        };
        let scene = Scene {
            labels,
            victims: &self.relabelling.victims,
            region,
        };
        find(&self.attack.placement, side, &scene, rng)
    }

    /// How the manifest measures distances.
    pub(crate) fn metric(&self) -> Metric {
        self.attack.placement.metric()
    }
}

fn differing(a: &LabelMap, b: &LabelMap) -> u64 {
    a.data()
        .iter()
        .zip(b.data())
        .filter(|(a, b)| a != b)
        .count() as u64
}

/// Whether pixels of every wanted class were counted.
fn holds(wanted: &ClassSet, pixels: &[u64; 256]) -> bool {
    wanted.ids().all(|id| pixels[usize::from(id)] > 0)
}
