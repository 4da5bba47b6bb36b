//! Times a model: `cargo run --release --example speed -- FILE HEIGHT WIDTH IMAGES`.
//!
//! Prints seconds an image, once on one thread and once on all; `tools/peers/onnx_speed.py` puts onnxruntime beside it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use redmask_core::{Error, GroupId, Image, LabelMap, Predictor, Result, Sample, SampleId};
use redmask_onnx::survey::ModelSurvey;
use redmask_onnx::{OnnxLimits, OnnxPredictor};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, height, width, images] = &arguments[..] else {
        return Err(Error::config(
            "arguments",
            "expected FILE HEIGHT WIDTH IMAGES",
        ));
    };
    let number = |text: &str| {
        text.parse::<usize>()
            .map_err(|_| Error::config("arguments", format!("`{text}` is no number")))
    };
    let (h, w, n) = (number(height)?, number(width)?, number(images)?);
    let survey = ModelSurvey::read(Path::new(file), OnnxLimits::default())?;
    let config = survey.guess(None)?.config;
    let model = OnnxPredictor::of(survey, config)?;
    let channels = model.config().input.channels;
    let samples: Vec<Sample> = (0..n)
        .map(|i| Sample {
            id: SampleId::new("all", &i.to_string()),
            group: GroupId(i.to_string()),
            image: Image::new(
                channels,
                h,
                w,
                (0..channels * h * w)
                    .map(|p| ((p * 31 + i * 7) % 251) as u8)
                    .collect(),
            ),
            labels: LabelMap::filled(h, w, 0),
            instances: None,
            attributes: BTreeMap::new(),
        })
        .collect();
    let batch: Vec<&Sample> = samples.iter().collect();
    // The first image builds the plan.
    model.predict(&batch[..1])?;
    for threads in [1, rayon::current_num_threads()] {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(|e| Error::Internal(e.to_string()))?;
        let clock = Instant::now();
        pool.install(|| model.predict(&batch))?;
        let seconds = clock.elapsed().as_secs_f64() / n as f64;
        #[expect(clippy::print_stdout, reason = "an example prints")]
        {
            println!("{threads} {seconds:.6}");
        }
    }
    Ok(())
}
