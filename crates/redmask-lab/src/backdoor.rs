//! How well a backdoor works in one trained model, record by record.

use redmask_core::{
    ClassTable, GroupId, IGNORE, LabelMap, Predictor, Result, Sample, SampleId, SegDataset, Session,
};
use redmask_metrics::backdoor::{
    AreaPair, BenignAccuracy, Collateral, Rings, SuccessCounts, TriggerBox,
};
use redmask_metrics::image_quality::{psnr, ssim};
use redmask_metrics::{ClassCounts, ConfusionMatrix};
use redmask_poison::{
    BoundAttack, Metric, PixelBox, Placement, Refusal, Relabelling, SheetRow, Skipped, Trigger,
    Triggered,
};
use serde::{Deserialize, Serialize};

/// A held-out record without a trigger, under both models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CleanRecord {
    /// Which record.
    pub id: SampleId,
    /// What it belongs to.
    pub group: GroupId,
    /// Pixels of each class under the poisoned model.
    pub poisoned: Vec<ClassCounts>,
    /// And under its clean twin.
    pub clean: Vec<ClassCounts>,
}

/// A held-out record with the trigger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttackedRecord {
    /// Its place among the clean records.
    pub record: usize,
    /// From the trigger to the victim, pixels.
    pub distance: Option<f64>,
    /// The poisoned model on the triggered picture.
    pub triggered: SuccessCounts,
    /// The poisoned model on the clean picture; a semantic trigger cannot be taken out.
    pub untriggered: Option<SuccessCounts>,
    /// The poisoned model under a wrong trigger of the same size.
    pub wrong: Option<SuccessCounts>,
    /// The clean twin on the triggered picture.
    pub clean_model: SuccessCounts,
    /// Each attacked instance, where the data set has instances.
    pub instances: Vec<SuccessCounts>,
    /// Pixels that the attack leaves alone, by class, on the triggered picture.
    pub benign: Vec<ClassCounts>,
    /// Among those outside the trigger: seen, and changed by the trigger.
    pub collateral: (u64, u64),
    /// Predicted pixels of the victim classes.
    pub area: AreaPair,
    /// Peak signal-to-noise ratio of the triggered picture, dB; `None` if nothing was changed.
    pub psnr: Option<f64>,
    /// Structural similarity; `None` for pictures too small.
    pub ssim: Option<f64>,
}

/// A record on which the attack must not fire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardRecord {
    /// Its place among the clean records.
    pub record: usize,
    /// The poisoned model's predictions, counted as if it had been attacked.
    pub counts: SuccessCounts,
}

/// Success with the trigger placed or drawn otherwise than it was trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepPoint {
    /// `distance`, `trigger_size` or `opacity`.
    pub condition: String,
    /// The value: a ring as `0-60`.
    pub value: String,
    /// Attacked records by their place among the clean ones.
    pub records: Vec<(usize, SuccessCounts)>,
    /// Records without a legal place.
    pub skipped: u64,
}

/// What a backdoor stage writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackdoorOutcome {
    /// Every held-out record.
    pub clean: Vec<CleanRecord>,
    /// Those that the attack could use.
    pub attacked: Vec<AttackedRecord>,
    /// Those on which it must not fire, for semantic triggers and conditions.
    pub guarded: Vec<GuardRecord>,
    /// Those without a legal place.
    pub skipped: Vec<Skipped>,
    /// Classes that the relabelling empties.
    pub victims: Vec<u8>,
    /// The sweeps.
    pub sweeps: Vec<SweepPoint>,
}

/// What to measure besides the trained trigger.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sweeps {
    /// Edges of distance rings, pixels.
    pub rings: Vec<f64>,
    /// Trigger sizes.
    pub sizes: Vec<usize>,
    /// Opacities.
    pub opacities: Vec<f64>,
}

/// A backdoored model, its clean twin, and how the first was poisoned.
pub struct Suspect<'a> {
    /// Trained on poisoned records.
    pub poisoned: &'a dyn Predictor,
    /// Trained on the same records without poison.
    pub clean: &'a dyn Predictor,
    /// The attack.
    pub attack: &'a BoundAttack,
}

impl std::fmt::Debug for Suspect<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Suspect")
            .field("attack", self.attack)
            .finish_non_exhaustive()
    }
}

impl Suspect<'_> {
    /// Measures on every record of a data set that neither model saw.
    ///
    /// # Errors
    /// If a record cannot be decoded, a model fails, or the session is cancelled.
    pub fn measure(
        &self,
        data: &dyn SegDataset,
        sweeps: &Sweeps,
        batch: usize,
        session: &Session,
    ) -> Result<BackdoorOutcome> {
        let variants = self.variants(sweeps)?;
        let classes = self.poisoned.class_count();
        let mut outcome = BackdoorOutcome {
            clean: Vec::with_capacity(data.len()),
            attacked: Vec::new(),
            guarded: Vec::new(),
            skipped: Vec::new(),
            victims: self.emptied(),
            sweeps: variants
                .iter()
                .map(|v| SweepPoint {
                    condition: v.condition.to_owned(),
                    value: v.value.clone(),
                    records: Vec::new(),
                    skipped: 0,
                })
                .collect(),
        };
        let mut task = session
            .progress
            .start("backdoor", data.len() as u64, "image");
        let indices: Vec<usize> = (0..data.len()).collect();
        for part in indices.chunks(batch.max(1)) {
            session.cancel.check()?;
            let samples: Vec<Sample> = part
                .iter()
                .map(|&i| data.sample(i))
                .collect::<Result<_>>()?;
            let untriggered = labels(self.poisoned, &samples)?;
            let clean = labels(self.clean, &samples)?;
            for ((sample, poisoned), clean) in samples.iter().zip(&untriggered).zip(&clean) {
                outcome.clean.push(CleanRecord {
                    id: sample.id.clone(),
                    group: sample.group.clone(),
                    poisoned: class_counts(classes, &sample.labels, poisoned)?,
                    clean: class_counts(classes, &sample.labels, clean)?,
                });
            }
            self.attack_batch(part, &samples, &untriggered, &mut outcome)?;
            self.guard_batch(part, &samples, &mut outcome)?;
            for (variant, point) in variants.iter().zip(&mut outcome.sweeps) {
                self.sweep_batch(&variant.attack, part, &samples, point)?;
            }
            task.advance(part.len() as u64);
        }
        Ok(outcome)
    }

    fn attack_batch(
        &self,
        part: &[usize],
        samples: &[Sample],
        untriggered: &[LabelMap],
        outcome: &mut BackdoorOutcome,
    ) -> Result<()> {
        let mut chosen: Vec<(usize, Triggered)> = Vec::new();
        for (i, sample) in samples.iter().enumerate() {
            if !self.attack.can_use(&pixels(&sample.labels)) {
                continue;
            }
            match self.attack.test(sample) {
                Ok(triggered) => chosen.push((i, triggered)),
                // What has the wanted label everywhere cannot be attacked; it is no failure of placement.
                Err(Refusal::NothingToRelabel) => {}
                Err(refusal @ Refusal::NoLegalPlace) => outcome.skipped.push(Skipped {
                    id: sample.id.clone(),
                    reason: refusal.to_string(),
                }),
            }
        }
        let with = |change: &dyn Fn(&Triggered, &mut Sample)| -> Vec<Sample> {
            chosen
                .iter()
                .map(|(i, triggered)| {
                    let mut sample = samples[*i].clone();
                    change(triggered, &mut sample);
                    sample
                })
                .collect()
        };
        let triggered = with(&|t, s| s.image = t.image.clone());
        let predicted = labels(self.poisoned, &triggered)?;
        let by_clean = labels(self.clean, &triggered)?;
        let wrong = self
            .attack
            .attack()
            .trigger
            .wrong()
            .is_some()
            .then(|| with(&|t, s| _ = self.attack.stamp_wrong(&mut s.image, &t.boxes)));
        let by_wrong = wrong.map(|s| labels(self.poisoned, &s)).transpose()?;
        let semantic = self.attack.attack().trigger.semantic_class().is_some();
        for (k, (i, attacked)) in chosen.iter().enumerate() {
            let (sample, before) = (&samples[*i], &untriggered[*i]);
            let count = |p: &LabelMap| SuccessCounts::of_image(&sample.labels, &attacked.wanted, p);
            let mut benign = BenignAccuracy::new(self.poisoned.class_count(), &outcome.victims)?;
            benign.add(&sample.labels, &attacked.wanted, &predicted[k])?;
            let mut collateral = Collateral::new(Rings::new(vec![0.0, 1.0])?);
            collateral.add(
                &sample.labels,
                &attacked.wanted,
                before,
                &predicted[k],
                trigger_box(&attacked.boxes),
            )?;
            let noise = psnr(&sample.image, &attacked.image)?;
            outcome.attacked.push(AttackedRecord {
                record: part[*i],
                distance: attacked.distance,
                triggered: count(&predicted[k])?,
                untriggered: if semantic { None } else { Some(count(before)?) },
                wrong: by_wrong.as_ref().map(|w| count(&w[k])).transpose()?,
                clean_model: count(&by_clean[k])?,
                instances: match &sample.instances {
                    Some(map) => SuccessCounts::of_instances(
                        &sample.labels,
                        &attacked.wanted,
                        &predicted[k],
                        map,
                    )?,
                    None => Vec::new(),
                },
                benign: benign.matrix().class_counts(),
                collateral: collateral.totals(),
                area: AreaPair {
                    untriggered: self.victim_area(before),
                    triggered: self.victim_area(&predicted[k]),
                },
                psnr: noise.is_finite().then_some(noise),
                ssim: ssim(&sample.image, &attacked.image).ok(),
            });
        }
        Ok(())
    }

    fn guard_batch(
        &self,
        part: &[usize],
        samples: &[Sample],
        outcome: &mut BackdoorOutcome,
    ) -> Result<()> {
        let guarded: Vec<(usize, Triggered)> = samples
            .iter()
            .enumerate()
            .filter_map(|(i, sample)| Some((i, self.attack.must_not_fire(sample)?)))
            .collect();
        let pictures: Vec<Sample> = guarded
            .iter()
            .map(|(i, triggered)| Sample {
                image: triggered.image.clone(),
                ..samples[*i].clone()
            })
            .collect();
        let predicted = labels(self.poisoned, &pictures)?;
        for ((i, triggered), predicted) in guarded.iter().zip(&predicted) {
            let truth = &samples[*i].labels;
            outcome.guarded.push(GuardRecord {
                record: part[*i],
                counts: SuccessCounts::of_image(truth, &triggered.wanted, predicted)?,
            });
        }
        Ok(())
    }

    fn sweep_batch(
        &self,
        attack: &BoundAttack,
        part: &[usize],
        samples: &[Sample],
        point: &mut SweepPoint,
    ) -> Result<()> {
        let mut chosen: Vec<(usize, Triggered, Sample)> = Vec::new();
        for (i, sample) in samples.iter().enumerate() {
            if !attack.can_use(&pixels(&sample.labels)) {
                continue;
            }
            match attack.test(sample) {
                Ok(triggered) => {
                    let picture = Sample {
                        image: triggered.image.clone(),
                        ..sample.clone()
                    };
                    chosen.push((i, triggered, picture));
                }
                Err(Refusal::NoLegalPlace) => point.skipped += 1,
                Err(Refusal::NothingToRelabel) => {}
            }
        }
        let pictures: Vec<Sample> = chosen.iter().map(|(.., s)| s.clone()).collect();
        let predicted = labels(self.poisoned, &pictures)?;
        for ((i, triggered, _), predicted) in chosen.iter().zip(&predicted) {
            let truth = &samples[*i].labels;
            let counts = SuccessCounts::of_image(truth, &triggered.wanted, predicted)?;
            point.records.push((part[*i], counts));
        }
        Ok(())
    }

    fn victim_area(&self, predicted: &LabelMap) -> u64 {
        let victims = self.attack.victims();
        predicted.data().iter().filter(|&&c| victims.has(c)).count() as u64
    }

    /// Victim classes that the relabelling leaves no pixel of.
    fn emptied(&self) -> Vec<u8> {
        match self.attack.attack().relabelling {
            Relabelling::VictimToTarget { .. }
            | Relabelling::Conditional { .. }
            | Relabelling::Erase {
                corner_pixel: false,
                ..
            } => self.attack.victims().ids().collect(),
            _ => Vec::new(),
        }
    }

    fn variants(&self, sweeps: &Sweeps) -> Result<Vec<Variant>> {
        let mut variants = Vec::new();
        for ring in sweeps.rings.windows(2) {
            let metric = self.attack.attack().placement.metric();
            variants.push(Variant {
                condition: "distance",
                value: format!("{}-{}", ring[0], ring[1]),
                attack: self.ring([ring[0], ring[1]], metric),
            });
        }
        for &size in &sweeps.sizes {
            let mut trigger = self.attack.attack().trigger.clone();
            if let Trigger::Line { size: own, .. }
            | Trigger::Square { size: own, .. }
            | Trigger::Frame { size: own, .. }
            | Trigger::Patch { size: own, .. } = &mut trigger
            {
                *own = size;
            }
            variants.push(Variant {
                condition: "trigger_size",
                value: size.to_string(),
                attack: self.attack.triggered(trigger)?,
            });
        }
        for &opacity in &sweeps.opacities {
            let mut trigger = self.attack.attack().trigger.clone();
            if let Trigger::Square { opacity: own, .. }
            | Trigger::Patch { opacity: own, .. }
            | Trigger::Blended { opacity: own, .. }
            | Trigger::Frequency { alpha: own, .. }
            | Trigger::Wavelet { alpha: own, .. } = &mut trigger
            {
                *own = opacity;
            }
            variants.push(Variant {
                condition: "opacity",
                value: opacity.to_string(),
                attack: self.attack.triggered(trigger)?,
            });
        }
        Ok(variants)
    }

    fn ring(&self, band: [f64; 2], metric: Metric) -> BoundAttack {
        self.attack.placed(Placement::Ring {
            band,
            metric,
            margin: 0,
        })
    }
}

/// The first attacked records as a poisoned model sees them, by id.
///
/// # Errors
/// If a record cannot be decoded or the model fails.
pub fn sheet(
    poisoned: &dyn Predictor,
    attack: &BoundAttack,
    data: &dyn SegDataset,
    rows: usize,
) -> Result<Vec<(SampleId, SheetRow)>> {
    let mut sheet = Vec::new();
    for i in 0..data.len() {
        if sheet.len() == rows {
            break;
        }
        let sample = data.sample(i)?;
        if !attack.can_use(&pixels(&sample.labels)) {
            continue;
        }
        let Ok(triggered) = attack.test(&sample) else {
            continue;
        };
        let picture = Sample {
            image: triggered.image.clone(),
            ..sample.clone()
        };
        let predicted = labels(poisoned, std::slice::from_ref(&picture))?.pop();
        let row = SheetRow {
            clean: sample.image,
            triggered: triggered.image,
            truth: sample.labels,
            wanted: triggered.wanted,
            predicted,
        };
        sheet.push((sample.id, row));
    }
    Ok(sheet)
}

struct Variant {
    condition: &'static str,
    value: String,
    attack: BoundAttack,
}

/// Predicted labels of some records; none for none.
fn labels(predictor: &dyn Predictor, samples: &[Sample]) -> Result<Vec<LabelMap>> {
    if samples.is_empty() {
        return Ok(Vec::new());
    }
    let batch: Vec<&Sample> = samples.iter().collect();
    Ok(predictor.predict(&batch)?.labels())
}

fn class_counts(
    classes: usize,
    truth: &LabelMap,
    predicted: &LabelMap,
) -> Result<Vec<ClassCounts>> {
    let mut matrix = ConfusionMatrix::with_ignore(classes, IGNORE);
    matrix.add(truth, predicted)?;
    Ok(matrix.class_counts())
}

fn pixels(labels: &LabelMap) -> [u64; 256] {
    let mut counted = [0; 256];
    for &class in labels.data() {
        counted[usize::from(class)] += 1;
    }
    counted
}

/// The first box; an empty one where there is none.
fn trigger_box(boxes: &[PixelBox]) -> TriggerBox {
    let b = boxes.first().copied().unwrap_or(PixelBox {
        x: 0,
        y: 0,
        width: 0,
        height: 0,
    });
    TriggerBox {
        x: b.x,
        y: b.y,
        width: b.width,
        height: b.height,
    }
}

/// The attack of a recipe on the classes of its data.
///
/// # Errors
/// If it does not fit them.
pub(crate) fn bind(
    config: &redmask_poison::PoisonConfig,
    table: &ClassTable,
    seed: &redmask_core::Seed,
) -> Result<BoundAttack> {
    config.attack(table)?.bind(table, seed)
}
