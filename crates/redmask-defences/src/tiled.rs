//! Predicting an image tile by tile, the way a network that was trained on crops is used.

use redmask_core::{
    Capability, Error, LabelMap, Prediction, Predictor, Result, Sample, ScoreKind, Scores,
};
use redmask_data::crop;
use serde::{Deserialize, Serialize};

/// How an image is cut into tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TiledConfig {
    /// Height and width of a tile.
    pub tile: [usize; 2],
    /// Pixels that neighbouring tiles share. 0 stitches tiles side by side, as published; with more, each pixel is taken
    /// from the tile in which it lies farther from the border (the overlap-tile strategy of Ronneberger et al.,
    /// arXiv 1505.04597).
    #[serde(default)]
    pub overlap: usize,
}

impl TiledConfig {
    pub(crate) fn validate(&self) -> Result<()> {
        if self.tile.contains(&0) {
            return Err(Error::config("tile", "a tile has at least one pixel"));
        }
        if self.tile.iter().any(|&side| side <= self.overlap) {
            return Err(Error::config(
                "overlap",
                format!(
                    "{} pixels leave nothing of a tile of {:?}",
                    self.overlap, self.tile
                ),
            ));
        }
        Ok(())
    }
}

/// A model asked tile by tile.
pub struct TiledPredictor<'a> {
    model: Box<dyn Predictor + 'a>,
    config: TiledConfig,
}

impl std::fmt::Debug for TiledPredictor<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TiledPredictor")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl<'a> TiledPredictor<'a> {
    /// Cuts every query into tiles.
    pub fn new(model: Box<dyn Predictor + 'a>, config: TiledConfig) -> Self {
        Self { model, config }
    }
}

/// One stretch of an axis: where the tile begins, and which pixels are taken from it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stretch {
    start: usize,
    owned: std::ops::Range<usize>,
}

/// Covers `length` with tiles of `tile`; the last one ends at the border, whatever it shares with its neighbour.
fn stretches(length: usize, tile: usize, overlap: usize) -> Vec<Stretch> {
    let mut starts: Vec<usize> = (0..length.saturating_sub(tile))
        .step_by(tile - overlap)
        .collect();
    starts.push(length - tile);
    let mut from = 0;
    (0..starts.len())
        .map(|i| {
            // The middle of what two tiles share.
            let to = starts
                .get(i + 1)
                .map_or(length, |next| (starts[i] + tile).midpoint(*next));
            let owned = from..to;
            from = to;
            Stretch {
                start: starts[i],
                owned,
            }
        })
        .collect()
}

impl Predictor for TiledPredictor<'_> {
    fn capability(&self) -> Capability {
        self.model.capability().min(Capability::Scores)
    }

    fn class_count(&self) -> usize {
        self.model.class_count()
    }

    fn predict(&self, batch: &[&Sample]) -> Result<Prediction> {
        self.config.validate()?;
        let Some(first) = batch.first() else {
            return self.model.predict(batch);
        };
        let (h, w) = (first.image.height(), first.image.width());
        let [tile_h, tile_w] = self.config.tile;
        if tile_h > h || tile_w > w {
            return Err(Error::unsupported(
                format!("a tile of {tile_h}x{tile_w} for record {}", first.id),
                format!("its image is {h}x{w}"),
            ));
        }
        let mut canvas: Option<Canvas> = None;
        for row in stretches(h, tile_h, self.config.overlap) {
            for column in stretches(w, tile_w, self.config.overlap) {
                let parts: Vec<Sample> = batch
                    .iter()
                    .map(|s| crop(s, [row.start, column.start], self.config.tile))
                    .collect();
                let answer = self.model.predict(&parts.iter().collect::<Vec<_>>())?;
                canvas
                    .get_or_insert_with(|| Canvas::like(&answer, batch.len(), [h, w]))
                    .paste(&answer, &row, &column, self.config.tile)?;
            }
        }
        match canvas {
            Some(canvas) => canvas.finish(),
            None => Err(Error::Internal("an image without tiles".into())),
        }
    }
}

/// What the tiles are put into.
enum Canvas {
    Scores {
        kind: ScoreKind,
        shape: [usize; 4],
        data: Vec<f32>,
    },
    Labels(Vec<LabelMap>),
}

impl Canvas {
    fn like(answer: &Prediction, n: usize, [h, w]: [usize; 2]) -> Self {
        match answer {
            Prediction::Scores(scores) => {
                let k = scores.shape()[1];
                Self::Scores {
                    kind: scores.kind(),
                    shape: [n, k, h, w],
                    data: vec![0.0; n * k * h * w],
                }
            }
            Prediction::Labels(_) => Self::Labels(vec![LabelMap::filled(h, w, 0); n]),
        }
    }

    fn paste(
        &mut self,
        answer: &Prediction,
        row: &Stretch,
        column: &Stretch,
        [tile_h, tile_w]: [usize; 2],
    ) -> Result<()> {
        match (self, answer) {
            (Self::Scores { shape, data, .. }, Prediction::Scores(scores))
                if scores.shape() == [shape[0], shape[1], tile_h, tile_w] =>
            {
                let [n, k, h, w] = *shape;
                for plane in 0..n * k {
                    for y in row.owned.clone() {
                        let from = (plane * tile_h + y - row.start) * tile_w;
                        let to = (plane * h + y) * w;
                        let columns =
                            column.owned.start - column.start..column.owned.end - column.start;
                        data[to + column.owned.start..to + column.owned.end].copy_from_slice(
                            &scores.data()[from + columns.start..from + columns.end],
                        );
                    }
                }
                Ok(())
            }
            (Self::Labels(maps), Prediction::Labels(parts)) if maps.len() == parts.len() => {
                for (map, part) in maps.iter_mut().zip(parts) {
                    for y in row.owned.clone() {
                        for x in column.owned.clone() {
                            map.set(y, x, part.get(y - row.start, x - column.start));
                        }
                    }
                }
                Ok(())
            }
            _ => Err(Error::Internal(
                "a model that answers tiles in different forms".into(),
            )),
        }
    }

    fn finish(self) -> Result<Prediction> {
        match self {
            Self::Scores { kind, shape, data } => {
                Scores::new(kind, shape, data).map(Prediction::Scores)
            }
            Self::Labels(maps) => Ok(Prediction::Labels(maps)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::picture;

    /// Answers each pixel's own value, and how far it is from the border of the picture that was asked.
    struct Echo;

    impl Predictor for Echo {
        fn capability(&self) -> Capability {
            Capability::Scores
        }

        fn class_count(&self) -> usize {
            2
        }

        fn predict(&self, batch: &[&Sample]) -> Result<Prediction> {
            let (h, w) = (batch[0].image.height(), batch[0].image.width());
            let mut data = Vec::new();
            for sample in batch {
                data.extend(sample.image.data().iter().map(|&v| f32::from(v)));
                data.extend((0..h * w).map(|i| {
                    let (y, x) = (i / w, i % w);
                    y.min(h - 1 - y).min(x).min(w - 1 - x) as f32
                }));
            }
            let scores = Scores::new(ScoreKind::Logits, [batch.len(), 2, h, w], data)?;
            Ok(Prediction::Scores(scores))
        }
    }

    fn ask(tile: [usize; 2], overlap: usize) -> Result<Scores> {
        let (a, b) = (picture(7, 10, 0), picture(7, 10, 100));
        let model = TiledPredictor::new(Box::new(Echo), TiledConfig { tile, overlap });
        model.predict(&[&a, &b])?.into_scores()
    }

    #[test]
    fn tiles_are_stitched_where_they_belong() {
        for (tile, overlap) in [([7, 10], 0), ([3, 5], 0), ([4, 4], 2), ([5, 3], 1)] {
            let scores = ask(tile, overlap).expect("fits");
            assert_eq!(scores.shape(), [2, 2, 7, 10]);
            for (i, start) in [(0, 0u8), (1, 100)] {
                let expected: Vec<f32> = picture(7, 10, start)
                    .image
                    .data()
                    .iter()
                    .map(|&v| f32::from(v))
                    .collect();
                assert_eq!(scores.image(i)[..70], expected, "{tile:?} {overlap}");
            }
        }
    }

    #[test]
    fn overlapping_tiles_give_their_middle() {
        let distance = |overlap| ask([5, 5], overlap).expect("fits").image(0)[70..].to_vec();
        let (apart, shared) = (distance(0), distance(4));
        let total = |d: &[f32]| d.iter().sum::<f32>();
        assert!(total(&shared) > total(&apart));
        // Away from the image's own border every pixel is seen with two pixels of context.
        assert_eq!(shared[3 * 10 + 5], 2.0);
    }

    #[test]
    fn an_axis_is_covered_once() {
        for length in 4..40 {
            for overlap in 0..4 {
                let parts = stretches(length, 4, overlap);
                let owned: Vec<usize> = parts.iter().flat_map(|s| s.owned.clone()).collect();
                assert_eq!(owned, (0..length).collect::<Vec<_>>());
                for part in parts {
                    assert!(part.owned.start >= part.start && part.owned.end <= part.start + 4);
                }
            }
        }
    }

    #[test]
    fn a_tile_larger_than_the_image_is_refused() {
        let error = ask([8, 4], 0).expect_err("too high");
        assert!(error.to_string().contains("7x10"), "{error}");
    }
}
