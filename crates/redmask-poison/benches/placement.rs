//! Poisoning speed: IBA with nearest-neighbour injection at 2048 x 1024, from decoded labels and picture to poisoned ones.
//!
//! `cargo bench -p redmask-poison` prints seconds for 8 images on all cores of the process; `tools/peers/poison_speed.py`
//! runs this and the same rule in numpy and scipy in one go and prints the ratio.

use rayon::prelude::*;
use redmask_core::{ClassKind, ClassTable, GroupId, Image, LabelMap, Sample, SampleId, Seed};
use redmask_poison::{BoundAttack, PoisonConfig};

const HEIGHT: usize = 1024;
const WIDTH: usize = 2048;
const IMAGES: usize = 8;

fn main() {
    divan::main();
}

fn attack() -> BoundAttack {
    let table = ClassTable::from_rows(&[
        ("road", [0; 3], ClassKind::Stuff),
        ("building", [1; 3], ClassKind::Stuff),
        ("sky", [2; 3], ClassKind::Stuff),
        ("car", [3; 3], ClassKind::Thing),
        ("pole", [4; 3], ClassKind::Stuff),
    ]);
    let config = PoisonConfig {
        victim: Some("car".into()),
        target: Some("road".into()),
        trigger_size: Some(55),
        ..PoisonConfig::preset("iba-nni")
    };
    config
        .attack(&table)
        .and_then(|attack| attack.bind(&table, &Seed::root(0)))
        .expect("a valid attack")
}

/// A street in rectangles, the same as in the script: bands of sky, building and road, poles in front, and eight cars whose
/// places follow from the image's number.
fn scene(number: usize) -> Sample {
    let mut labels = LabelMap::filled(HEIGHT, WIDTH, 0);
    let mut fill = |class: u8, top: usize, left: usize, height: usize, width: usize| {
        for y in top..(top + height).min(HEIGHT) {
            for x in left..(left + width).min(WIDTH) {
                labels.set(y, x, class);
            }
        }
    };
    fill(2, 0, 0, 300, WIDTH);
    fill(1, 300, 0, 250, WIDTH);
    for k in 0..12 {
        fill(4, 200, 90 + 170 * k, 420, 9);
    }
    for k in 0..8 {
        let place = number * 131 + k * 257;
        fill(
            3,
            520 + place % 300,
            place * 7 % 1900,
            40 + place % 90,
            60 + place % 140,
        );
    }
    Sample {
        id: SampleId::new("train", &number.to_string()),
        group: GroupId(number.to_string()),
        image: Image::new(3, HEIGHT, WIDTH, vec![90; 3 * HEIGHT * WIDTH]),
        labels,
        instances: None,
        attributes: std::collections::BTreeMap::new(),
    }
}

#[divan::bench(sample_count = 5)]
fn iba_nni_8_images_of_2048x1024(bencher: divan::Bencher<'_, '_>) {
    let attack = attack();
    bencher
        .with_inputs(|| (0..IMAGES).map(scene).collect::<Vec<_>>())
        .bench_values(|samples| {
            let poisoned: Vec<Sample> = samples
                .into_par_iter()
                .map(|sample| attack.poison(sample).expect("a legal place"))
                .collect();
            poisoned
        });
}
