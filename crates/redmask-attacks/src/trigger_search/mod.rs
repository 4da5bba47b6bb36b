//! Which trigger a backdoor would use: pattern, size, place and opacity, searched on a surrogate (BADSEG, Zhang et al. 2026).
//!
//! The paper says that trigger parameters are optimised and that discrete choices go through Gumbel-Softmax; its exact list, loss
//! and schedule could not be read. Ours: one relaxed choice for each of four attributes, a triggered image that is the mixture of
//! all candidates, and a loss that asks the surrogate for the wanted labels on the attacked pixels, for the true ones elsewhere,
//! and for little covered area. [`grid_search`] is the honest baseline: the same loss on sharp candidates, with as many
//! evaluations of the surrogate. What is found is a [`TriggerFile`] that poisoning reads.

mod candidates;
mod gumbel;
mod surrogate;

use rand::RngExt;
use rand::seq::{SliceRandom, index};
use redmask_core::{Error, Result, Sample, Seed, SegDataset, Session};
use redmask_nn::predictor::NetworkPredictor;
use redmask_poison::{Art, Attack, Placement, TriggerFile};
use serde::{Deserialize, Serialize};

use candidates::{ATTRIBUTES, Candidates, Choice};
use gumbel::Relaxed;
use surrogate::Surrogate;

/// What is searched, and for how long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TriggerSearchConfig {
    /// Patterns.
    pub arts: Vec<Art>,
    /// Sides, odd pixels.
    pub sizes: Vec<usize>,
    /// Rules of placement.
    pub placements: Vec<Placement>,
    /// Opacities, in `(0, 1]`.
    pub opacities: Vec<f64>,
    /// Steps; each evaluates the surrogate on one batch.
    pub steps: u32,
    /// Images of a batch.
    pub batch: usize,
    /// Learning rate of the logits (Adam).
    pub rate: f64,
    /// First and last temperature of the relaxed choices; geometric in between.
    pub temperature: [f64; 2],
    /// Weight of the loss on pixels that the attack leaves alone.
    pub elsewhere: f64,
    /// Weight of covered area times opacity, as a share of the image.
    pub area: f64,
}

impl Default for TriggerSearchConfig {
    fn default() -> Self {
        let nearest = |high| Placement::Nearest {
            band: [0.0, high],
            metric: redmask_poison::Metric::Euclidean,
            margin: 0,
        };
        Self {
            arts: Art::ALL.to_vec(),
            sizes: vec![5, 7, 9, 11],
            placements: vec![
                Placement::Uniform { margin: 0 },
                nearest(60.0),
                Placement::OnVictim,
                Placement::Fixed {
                    corner: redmask_poison::Corner::TopLeft,
                    margin: 0,
                },
            ],
            opacities: vec![0.25, 0.5, 0.75, 1.0],
            steps: 200,
            batch: 8,
            rate: 0.1,
            temperature: [1.0, 0.1],
            elsewhere: 1.0,
            area: 1.0,
        }
    }
}

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct TriggerSearch {
    /// The trigger and its placement, for poisoning.
    pub file: TriggerFile,
    /// Loss of each evaluation, in order.
    pub history: Vec<f64>,
    /// Evaluations of the surrogate, one batch each.
    pub evaluations: u32,
}

impl TriggerSearchConfig {
    /// # Errors
    /// If an attribute has no value, a candidate is invalid, or a number is out of range.
    pub fn validate(&self) -> Result<()> {
        let bad = |key: &str, problem: String| {
            Err(Error::config(format!("trigger_search.{key}"), problem))
        };
        for (key, count) in ATTRIBUTES.iter().zip(self.counts()) {
            if count == 0 {
                return bad(key, "there is nothing to choose from".into());
            }
        }
        if self.steps == 0 || self.batch == 0 {
            return bad(
                "steps",
                "a search takes at least one step of one image".into(),
            );
        }
        let positive = |v: f64| v.is_finite() && v > 0.0;
        if !positive(self.rate) || !self.temperature.into_iter().all(positive) {
            return bad(
                "temperature",
                "rate and temperatures must be above 0".into(),
            );
        }
        if !(self.elsewhere >= 0.0 && self.area >= 0.0) {
            return bad("area", "weights must not be negative".into());
        }
        for choice in self.all() {
            self.trigger(&choice).validate()?;
        }
        Ok(())
    }

    /// Values of each attribute, in the order of [`ATTRIBUTES`].
    fn counts(&self) -> [usize; 4] {
        [
            self.arts.len(),
            self.sizes.len(),
            self.placements.len(),
            self.opacities.len(),
        ]
    }

    /// Every combination.
    fn all(&self) -> Vec<Choice> {
        let [a, s, p, o] = self.counts();
        let mut all = Vec::with_capacity(a * s * p * o);
        for art in 0..a {
            for size in 0..s {
                for placement in 0..p {
                    all.extend((0..o).map(|opacity| [art, size, placement, opacity]));
                }
            }
        }
        all
    }

    fn trigger(&self, choice: &Choice) -> redmask_poison::Trigger {
        redmask_poison::Trigger::Patch {
            size: self.sizes[choice[1]],
            art: self.arts[choice[0]],
            opacity: self.opacities[choice[3]],
        }
    }

    fn file(&self, choice: &Choice, note: String) -> TriggerFile {
        TriggerFile::new(
            self.trigger(choice),
            self.placements[choice[2]].clone(),
            Some(note),
        )
    }
}

/// The data and the attack that a trigger is searched for; only the attack's relabelling and selection matter.
#[derive(Clone, Copy)]
pub struct TriggerSearchInput<'a> {
    /// A model of the attacker's own, as near to the victim as he can get.
    pub surrogate: &'a NetworkPredictor,
    /// Images of the attacker's own.
    pub data: &'a dyn SegDataset,
    /// What the labels shall become.
    pub attack: &'a Attack,
    /// Root of every draw.
    pub seed: Seed,
}

impl std::fmt::Debug for TriggerSearchInput<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TriggerSearchInput")
            .field("attack", self.attack)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

/// Searches with Gumbel-Softmax: relaxed choices, annealed, then the most likely value of each attribute.
///
/// # Errors
/// If the configuration is invalid, the attack does not fit the data, no record can be attacked, or the session is cancelled.
pub fn gumbel_search(
    input: &TriggerSearchInput<'_>,
    config: &TriggerSearchConfig,
    session: &Session,
) -> Result<TriggerSearch> {
    config.validate()?;
    let bench = Bench::new(input, config, session)?;
    let mut choices: Vec<Relaxed> = config.counts().into_iter().map(Relaxed::new).collect();
    let mut history = Vec::with_capacity(config.steps as usize);
    let mut task = session
        .progress
        .start("trigger search", u64::from(config.steps), "step");
    let mut rng = input.seed.child("gumbel").rng();
    for step in 0..config.steps {
        session.cancel.check()?;
        let done = f64::from(step) / f64::from(config.steps.max(2) - 1);
        let [hot, cold] = config.temperature;
        let temperature = hot * (cold / hot).powf(done);
        let mut uniform = || rng.random_range(f64::EPSILON..1.0);
        for choice in &mut choices {
            choice.draw(temperature, &mut uniform);
        }
        let weights: Vec<&[f64]> = choices.iter().map(Relaxed::weights).collect();
        let (loss, slopes) = bench.relaxed(&bench.batch(step), &weights)?;
        for (choice, slope) in choices.iter_mut().zip(slopes) {
            choice.descend(&slope, temperature, config.rate);
        }
        history.push(loss);
        task.advance(1);
        task.message(&format!("loss {loss:.4}"));
    }
    let best: Vec<usize> = choices.iter().map(Relaxed::best).collect();
    let best: Choice = [best[0], best[1], best[2], best[3]];
    let note = format!("Gumbel-Softmax, {} evaluations", config.steps);
    Ok(TriggerSearch {
        file: config.file(&best, note),
        history,
        evaluations: config.steps,
    })
}

/// The baseline: sharp candidates in a seeded order, each on one batch until the evaluations are spent; the least mean loss wins.
/// With fewer evaluations than candidates it is a random search.
///
/// # Errors
/// As [`gumbel_search`].
pub fn grid_search(
    input: &TriggerSearchInput<'_>,
    config: &TriggerSearchConfig,
    session: &Session,
) -> Result<TriggerSearch> {
    config.validate()?;
    let bench = Bench::new(input, config, session)?;
    let mut all = config.all();
    all.shuffle(&mut input.seed.child("grid").rng());
    let mut sums = vec![(0.0, 0u32); all.len()];
    let mut history = Vec::with_capacity(config.steps as usize);
    let mut task = session
        .progress
        .start("grid search", u64::from(config.steps), "step");
    for step in 0..config.steps {
        session.cancel.check()?;
        let at = step as usize % all.len();
        // One attribute value of weight 1 makes the mixture a sharp candidate.
        let sharp: Vec<Vec<f64>> = config
            .counts()
            .iter()
            .zip(all[at])
            .map(|(&n, chosen)| (0..n).map(|i| f64::from(u8::from(i == chosen))).collect())
            .collect();
        let weights: Vec<&[f64]> = sharp.iter().map(Vec::as_slice).collect();
        let (loss, _) = bench.relaxed(&bench.batch(step), &weights)?;
        sums[at].0 += loss;
        sums[at].1 += 1;
        history.push(loss);
        task.advance(1);
    }
    let mean = |&(sum, n): &(f64, u32)| {
        if n > 0 {
            sum / f64::from(n)
        } else {
            f64::INFINITY
        }
    };
    let best = (0..all.len())
        .min_by(|&a, &b| mean(&sums[a]).total_cmp(&mean(&sums[b])))
        .unwrap_or(0);
    let note = format!("grid search, {} evaluations", config.steps);
    Ok(TriggerSearch {
        file: config.file(&all[best], note),
        history,
        evaluations: config.steps,
    })
}

/// The records, their candidates, and the surrogate.
struct Bench<'a> {
    surrogate: Surrogate<'a>,
    candidates: Candidates,
    config: &'a TriggerSearchConfig,
    samples: Vec<Sample>,
    seed: Seed,
}

impl<'a> Bench<'a> {
    fn new(
        input: &TriggerSearchInput<'a>,
        config: &'a TriggerSearchConfig,
        session: &Session,
    ) -> Result<Self> {
        let candidates =
            Candidates::new(config, input.attack, input.data.class_table(), &input.seed)?;
        let mut samples = Vec::new();
        for i in 0..input.data.len() {
            session.cancel.check()?;
            let sample = input.data.sample(i)?;
            if candidates.can_use(&sample) {
                samples.push(sample);
            }
        }
        if samples.is_empty() {
            return Err(Error::config(
                "victim",
                "no record of the surrogate's data can be attacked",
            ));
        }
        Ok(Self {
            surrogate: Surrogate::new(input.surrogate, config.elsewhere),
            candidates,
            config,
            samples,
            seed: input.seed,
        })
    }

    fn batch(&self, step: u32) -> Vec<&Sample> {
        let mut rng = self.seed.child("batch").index(u64::from(step)).rng();
        let amount = self.config.batch.min(self.samples.len());
        index::sample(&mut rng, self.samples.len(), amount)
            .into_iter()
            .map(|i| &self.samples[i])
            .collect()
    }

    /// Loss of a mixture, and its slope along every weight.
    fn relaxed(&self, batch: &[&Sample], weights: &[&[f64]]) -> Result<(f64, Vec<Vec<f64>>)> {
        let mixed: Vec<_> = batch
            .iter()
            .map(|sample| self.candidates.mix(sample, weights))
            .collect();
        let answer = self.surrogate.loss(batch, &mixed)?;
        let mut slopes: Vec<Vec<f64>> = weights.iter().map(|w| vec![0.0; w.len()]).collect();
        for (mixture, gradient) in mixed.iter().zip(&answer.gradients) {
            mixture.slopes(gradient, weights, &mut slopes);
        }
        let mut loss = answer.loss;
        for sample in batch {
            let pixels = (sample.image.height() * sample.image.width()) as f64;
            let scale = self.config.area / (pixels * batch.len() as f64);
            let side = |s: usize| (self.config.sizes[s] as f64).powi(2);
            let area: f64 = weights[1]
                .iter()
                .enumerate()
                .map(|(s, w)| w * side(s))
                .sum();
            let opacity: f64 = weights[3]
                .iter()
                .zip(&self.config.opacities)
                .map(|(w, o)| w * o)
                .sum();
            loss += scale * area * opacity;
            for (s, slope) in slopes[1].iter_mut().enumerate() {
                *slope += scale * side(s) * opacity;
            }
            for (slope, o) in slopes[3].iter_mut().zip(&self.config.opacities) {
                *slope += scale * area * o;
            }
        }
        Ok((loss, slopes))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use redmask_nn::network::{NetworkConfig, UnetConfig};
    use redmask_nn::scaling::InputScaling;
    use redmask_poison::{Relabelling, Selection, Trigger};

    use super::*;
    use crate::testing::Discs;

    fn attack() -> Attack {
        Attack {
            trigger: Trigger::Patch {
                size: 3,
                art: Art::Emblem,
                opacity: 1.0,
            },
            placement: Placement::Uniform { margin: 0 },
            relabelling: Relabelling::VictimToTarget {
                victims: vec!["disc".into()],
                target: "background".into(),
            },
            random_labels: None,
            selection: Selection::rate(0.1),
            decoys: None,
        }
    }

    fn surrogate() -> NetworkPredictor {
        let config = NetworkConfig::Unet(UnetConfig {
            width: 0.125,
            ..UnetConfig::default()
        });
        let device = Device::flex();
        let network = config.init(Seed::root(5), &device).unwrap();
        NetworkPredictor::new(config, &network, InputScaling::Unit, device)
    }

    fn config() -> TriggerSearchConfig {
        TriggerSearchConfig {
            arts: vec![Art::Emblem, Art::Checker],
            sizes: vec![3, 7],
            placements: vec![Placement::OnVictim, Placement::Uniform { margin: 0 }],
            opacities: vec![0.5, 1.0],
            steps: 6,
            batch: 2,
            ..TriggerSearchConfig::default()
        }
    }

    #[test]
    fn slopes_along_weights_are_those_of_finite_differences() {
        let (predictor, data, attack, config) = (
            surrogate(),
            Discs::new(4, 32, 1, Seed::root(0)),
            attack(),
            config(),
        );
        let input = TriggerSearchInput {
            surrogate: &predictor,
            data: &data,
            attack: &attack,
            seed: Seed::root(1),
        };
        let bench = Bench::new(&input, &config, &Session::default()).unwrap();
        let batch = bench.batch(0);
        let at = [[0.6, 0.4], [0.3, 0.7], [0.5, 0.5], [0.2, 0.8]];
        let value = |w: &[[f64; 2]; 4]| {
            let views: Vec<&[f64]> = w.iter().map(<[f64; 2]>::as_slice).collect();
            bench.relaxed(&batch, &views).unwrap()
        };
        let (_, slopes) = value(&at);
        for attribute in 0..4 {
            for i in 0..2 {
                let step = 0.02;
                let (mut up, mut down) = (at, at);
                up[attribute][i] += step;
                down[attribute][i] -= step;
                let difference = (value(&up).0 - value(&down).0) / (2.0 * step);
                let slope = slopes[attribute][i];
                // The network is in f32 and not linear.
                let tolerance = 2e-3 + 0.1 * slope.abs();
                assert!(
                    (slope - difference).abs() < tolerance,
                    "{attribute} {i}: {slope} against {difference}"
                );
            }
        }
    }

    #[test]
    fn both_searches_spend_what_they_say_and_repeat() {
        let (predictor, data, attack, config) = (
            surrogate(),
            Discs::new(4, 32, 1, Seed::root(0)),
            attack(),
            config(),
        );
        let input = TriggerSearchInput {
            surrogate: &predictor,
            data: &data,
            attack: &attack,
            seed: Seed::root(1),
        };
        let session = Session::default();
        for search in [gumbel_search, grid_search] {
            let found = search(&input, &config, &session).unwrap();
            assert_eq!((found.evaluations, found.history.len()), (6, 6));
            assert!(found.history.iter().all(|l| l.is_finite()));
            assert_eq!(search(&input, &config, &session).unwrap(), found);
            found.file.trigger.validate().unwrap();
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let even = TriggerSearchConfig {
            sizes: vec![4],
            ..config()
        };
        assert!(even.validate().unwrap_err().to_string().contains("even"));
        let empty = TriggerSearchConfig {
            arts: Vec::new(),
            ..config()
        };
        assert!(empty.validate().unwrap_err().to_string().contains("arts"));
    }
}
