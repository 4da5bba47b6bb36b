//! Writes a data set as PNG pairs: `cargo run --example export -- street:7?count=20 /tmp/street`.

use std::path::Path;

use redmask_core::{Error, Result};
use redmask_data::{OpenOptions, open};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(spec), Some(target)) = (arguments.next(), arguments.next()) else {
        return Err(Error::config(
            "arguments",
            "expected READER:PLACE and a target folder",
        ));
    };
    let dataset = open(&spec.parse()?, &OpenOptions::default())?;
    let target = Path::new(&target);
    for folder in ["images", "masks"] {
        std::fs::create_dir_all(target.join(folder))
            .map_err(|e| Error::io(target.join(folder), "creating", e))?;
    }
    for index in 0..dataset.len() {
        let sample = dataset.sample(index)?;
        let name = format!("{}.png", sample.id.stem());
        let (w, h) = (sample.image.width() as u32, sample.image.height() as u32);
        let colour = if sample.image.channels() == 3 {
            image::ExtendedColorType::Rgb8
        } else {
            image::ExtendedColorType::L8
        };
        let write = |path: &Path, bytes: &[u8], colour| {
            image::save_buffer(path, bytes, w, h, colour)
                .map_err(|e| Error::input(path, e.to_string()))
        };
        write(
            &target.join("images").join(&name),
            &sample.image.to_interleaved(),
            colour,
        )?;
        write(
            &target.join("masks").join(&name),
            sample.labels.data(),
            image::ExtendedColorType::L8,
        )?;
    }
    Ok(())
}
