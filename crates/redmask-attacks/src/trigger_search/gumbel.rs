//! A categorical choice relaxed by Gumbel noise (Jang et al. 2017; Maddison et al. 2017), and Adam on its logits.

/// Soft weights of one attribute's values.
#[derive(Debug, Clone)]
pub(super) struct Relaxed {
    logits: Vec<f64>,
    weights: Vec<f64>,
    first: Vec<f64>,
    second: Vec<f64>,
    step: i32,
}

const BETAS: (f64, f64) = (0.9, 0.999);

impl Relaxed {
    pub(super) fn new(values: usize) -> Self {
        Self {
            logits: vec![0.0; values],
            weights: vec![1.0 / values as f64; values],
            first: vec![0.0; values],
            second: vec![0.0; values],
            step: 0,
        }
    }

    /// Draws weights: `softmax((logits + g) / temperature)` with Gumbel noise `g`. `uniform` gives values in `(0, 1)`.
    pub(super) fn draw(&mut self, temperature: f64, uniform: &mut impl FnMut() -> f64) {
        let noisy: Vec<f64> = self
            .logits
            .iter()
            .map(|l| (l - (-uniform().ln()).ln()) / temperature)
            .collect();
        let top = noisy.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let powers: Vec<f64> = noisy.iter().map(|v| (v - top).exp()).collect();
        let sum: f64 = powers.iter().sum();
        self.weights = powers.into_iter().map(|p| p / sum).collect();
    }

    pub(super) fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The slope along the logits, from that along the weights drawn last.
    fn logit_slopes(&self, slopes: &[f64], temperature: f64) -> Vec<f64> {
        let mean: f64 = self.weights.iter().zip(slopes).map(|(w, s)| w * s).sum();
        let pairs = self.weights.iter().zip(slopes);
        pairs.map(|(w, s)| w * (s - mean) / temperature).collect()
    }

    /// One step of Adam.
    pub(super) fn descend(&mut self, slopes: &[f64], temperature: f64, rate: f64) {
        self.step += 1;
        for (i, g) in self
            .logit_slopes(slopes, temperature)
            .into_iter()
            .enumerate()
        {
            self.first[i] = BETAS.0 * self.first[i] + (1.0 - BETAS.0) * g;
            self.second[i] = BETAS.1 * self.second[i] + (1.0 - BETAS.1) * g * g;
            let mean = self.first[i] / (1.0 - BETAS.0.powi(self.step));
            let spread = (self.second[i] / (1.0 - BETAS.1.powi(self.step))).sqrt();
            self.logits[i] -= rate * mean / (spread + 1e-8);
        }
    }

    /// The most likely value, the first of equals.
    pub(super) fn best(&self) -> usize {
        let mut best = 0;
        for (i, logit) in self.logits.iter().enumerate() {
            if *logit > self.logits[best] {
                best = i;
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;
    use redmask_core::Seed;

    use super::*;

    #[test]
    fn slopes_along_logits_are_those_of_finite_differences() {
        let costs = [3.0, -1.0, 0.5];
        let draw = |logits: [f64; 3]| {
            let mut choice = Relaxed::new(3);
            choice.logits = logits.to_vec();
            let mut noise = [0.3, 0.8, 0.55].into_iter();
            choice.draw(0.7, &mut || noise.next().unwrap());
            choice
        };
        let value = |logits| -> f64 {
            let choice = draw(logits);
            choice.weights().iter().zip(costs).map(|(w, c)| w * c).sum()
        };
        let at = [0.2, -0.4, 0.1];
        let slopes = draw(at).logit_slopes(&costs, 0.7);
        for i in 0..3 {
            let (mut up, mut down) = (at, at);
            up[i] += 1e-6;
            down[i] -= 1e-6;
            let difference = (value(up) - value(down)) / 2e-6;
            assert!((slopes[i] - difference).abs() < 1e-7, "{i}");
        }
    }

    #[test]
    fn the_cheapest_value_wins() {
        let mut rng = Seed::root(1).rng();
        let mut choice = Relaxed::new(4);
        for step in 0..200 {
            let temperature = 1.0 - f64::from(step) * 0.0045;
            choice.draw(temperature, &mut || rng.random_range(f64::EPSILON..1.0));
            choice.descend(&[1.0, 0.8, 0.2, 0.9], temperature, 0.1);
        }
        assert_eq!(choice.best(), 2);
    }
}
