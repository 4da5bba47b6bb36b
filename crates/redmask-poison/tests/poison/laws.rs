//! What holds for every scene.

use proptest::prelude::*;
use redmask_core::{IGNORE, LabelMap, Seed};
use redmask_poison::{
    BoundAttack, ClassSet, Metric, PixelBox, PlacementKind, PoisonConfig, Refusal, legal_centres,
    presets,
};

use crate::scene::{CAR, labels, sample, table};

fn config(preset: &str) -> PoisonConfig {
    let (victim, target) = match preset {
        "badseg-o2o" => ("car", "person"),
        "badseg-b2o" => ("sky", "car"),
        "badseg-b2b" => ("sky", "road"),
        _ => ("car", "road"),
    };
    let whole = preset.ends_with("badnets") || preset == "waba";
    PoisonConfig {
        victim: (!whole).then(|| victim.to_owned()),
        target: (preset != "waba").then(|| target.to_owned()),
        trigger_class: preset.contains("semantic").then(|| "sky".to_owned()),
        condition: preset.contains("conditional").then(|| "sky".to_owned()),
        ..PoisonConfig::preset(preset)
    }
}

fn bind(config: &PoisonConfig, seed: u64) -> BoundAttack {
    let attack = config.attack(&table()).expect("a sound attack");
    attack
        .bind(&table(), &Seed::root(seed))
        .expect("a sound attack")
}

fn sized(preset: &str, size: usize) -> PoisonConfig {
    let config = config(preset);
    let attack = config.attack(&table()).expect("a sound attack");
    PoisonConfig {
        trigger_size: attack.trigger.size().map(|_| size),
        ..config
    }
}

/// The centre of a box.
fn centre(b: PixelBox) -> (usize, usize) {
    (b.y + b.height / 2, b.x + b.width / 2)
}

fn rank(metric: Metric, (ay, ax): (usize, usize), (by, bx): (usize, usize)) -> f64 {
    let (dy, dx) = (ay.abs_diff(by) as f64, ax.abs_diff(bx) as f64);
    match metric {
        Metric::Euclidean => (dy * dy + dx * dx).sqrt(),
        Metric::Chebyshev => dy.max(dx),
    }
}

/// Distance from a pixel to the nearest one of a class, by looking at all of them.
fn to_class(labels: &LabelMap, class: u8, from: (usize, usize), metric: Metric) -> Option<f64> {
    let w = labels.width();
    let all = (0..labels.data().len()).filter(|&i| labels.data()[i] == class);
    all.map(|i| rank(metric, from, (i / w, i % w)))
        .min_by(f64::total_cmp)
}

proptest! {
    /// Every preset, every scene: pixels outside the boxes keep their colour, ignored pixels keep their label, and fine-grained
    /// relabelling touches victim pixels alone.
    #[test]
    fn an_attack_touches_what_it_names(labels in labels(), seed in 0u64..1000, size in 0usize..3) {
        for preset in presets() {
            let attack = bind(&sized(preset.name, 2 * size + 1), seed);
            let clean = sample(labels.clone(), None);
            let Ok(planned) = attack.plan(&clean.id, &clean.labels, None) else { continue };
            let poisoned = attack.poison(clean.clone()).expect("a sound attack");
            let (h, w) = (labels.height(), labels.width());
            let touched: Vec<bool> = {
                let mut touched = vec![false; h * w];
                for b in &planned.boxes {
                    for y in b.y..b.y + b.height {
                        for x in b.x..b.x + b.width {
                            touched[y * w + x] = true;
                        }
                    }
                }
                touched
            };
            for c in 0..3 {
                for (i, &touched) in touched.iter().enumerate() {
                    prop_assert!(
                        touched || clean.image.data()[c * h * w + i] == poisoned.image.data()[c * h * w + i],
                        "{}", preset.name
                    );
                }
            }
            let fine = !attack.victims().is_empty()
                && attack.attack().random_labels.is_none()
                && !preset.name.starts_with("badsam");
            let mut relabelled = 0;
            for (&before, &after) in labels.data().iter().zip(poisoned.labels.data()) {
                relabelled += u64::from(before != after);
                prop_assert!(before != IGNORE || after == IGNORE, "{}", preset.name);
                prop_assert!(!fine || before == after || attack.victims().has(before), "{}", preset.name);
            }
            prop_assert_eq!(relabelled, planned.relabelled_pixels + planned.randomised_pixels);
            // Twice the same.
            prop_assert_eq!(attack.poison(clean).expect("a sound attack"), poisoned);
        }
    }

    /// Influencer placements: no trigger pixel on a victim or ignored pixel, the box inside one class, the distance in the band
    /// and as printed.
    #[test]
    fn an_influencer_keeps_off_its_victim(
        labels in labels(),
        seed in 0u64..1000,
        size in 0usize..3,
        low in 0usize..6,
        more in 0usize..12,
        chebyshev: bool,
        margin in 0usize..4,
    ) {
        let metric = if chebyshev { Metric::Chebyshev } else { Metric::Euclidean };
        let band = [low as f64, (low + more) as f64];
        for kind in [PlacementKind::Nearest, PlacementKind::BandUniform, PlacementKind::Ring, PlacementKind::Uniform] {
            let measured = kind != PlacementKind::Uniform;
            let attack = bind(&PoisonConfig {
                placement: Some(kind),
                band: measured.then_some(band),
                metric: measured.then_some(metric),
                margin: Some(margin),
                ..sized("iba", 2 * size + 1)
            }, seed);
            let clean = sample(labels.clone(), None);
            let Ok(planned) = attack.plan(&clean.id, &labels, None) else { continue };
            let b = planned.boxes[0];
            let class = labels.get(b.y, b.x);
            prop_assert!(class != CAR && class != IGNORE);
            for y in b.y..b.y + b.height {
                for x in b.x..b.x + b.width {
                    prop_assert_eq!(labels.get(y, x), class);
                }
            }
            let (y, x) = centre(b);
            prop_assert!(y >= margin && x >= margin && y + margin < labels.height() && x + margin < labels.width());
            let metric = if measured { metric } else { Metric::Euclidean };
            let distance = to_class(&labels, CAR, (y, x), metric).expect("a sound attack");
            prop_assert_eq!(planned.distance, Some(distance));
            match kind {
                PlacementKind::Nearest => prop_assert!(band[0] <= distance && distance <= band[1]),
                PlacementKind::BandUniform => prop_assert!(band[0] < distance && distance <= band[1]),
                PlacementKind::Ring => prop_assert!(band[0] <= distance && distance < band[1]),
                _ => {}
            }
        }
    }

    /// Nearest-neighbour injection against looking at every pixel: the same least distance, and a refusal exactly where no
    /// legal centre lies in the band.
    #[test]
    fn nearest_equals_brute_force(
        labels in labels(),
        seed in 0u64..1000,
        size in 0usize..3,
        low in 0usize..5,
        more in 0usize..20,
        chebyshev: bool,
    ) {
        let metric = if chebyshev { Metric::Chebyshev } else { Metric::Euclidean };
        let band = [low as f64, (low + more) as f64];
        let side = 2 * size + 1;
        let attack = bind(&PoisonConfig {
            band: Some(band),
            metric: Some(metric),
            ..sized("iba-nni", side)
        }, seed);
        let legal = legal_centres(&labels, &ClassSet::of([CAR]), side, 0);
        let w = labels.width();
        let best = (0..legal.len())
            .filter(|&i| legal[i])
            .filter_map(|i| to_class(&labels, CAR, (i / w, i % w), metric))
            .filter(|&d| band[0] <= d && d <= band[1])
            .min_by(f64::total_cmp);
        let planned = attack.plan(&sample(labels.clone(), None).id, &labels, None);
        match (best, planned) {
            (Some(best), Ok(planned)) => prop_assert_eq!(planned.distance, Some(best)),
            (None, planned) => prop_assert_eq!(planned, Err(Refusal::NoLegalPlace)),
            (Some(_), Err(refusal)) => prop_assert!(false, "{refusal}"),
        }
    }

    /// One instance changes, whole, and it is the one the trigger is nearest to.
    #[test]
    fn one_instance_is_the_nearest(labels in labels(), seed in 0u64..1000) {
        let attack = bind(&PoisonConfig { trigger_size: Some(3), ..config("badseg-instance") }, seed);
        let clean = sample(labels.clone(), None);
        let Ok(planned) = attack.plan(&clean.id, &labels, None) else { return Ok(()) };
        let (mut gone, mut kept) = (labels.clone(), labels.clone());
        for i in 0..labels.data().len() {
            let changed = labels.data()[i] != planned.labels.data()[i];
            let car = labels.data()[i] == CAR;
            gone.data_mut()[i] = u8::from(car && changed);
            kept.data_mut()[i] = u8::from(car && !changed);
        }
        let from = centre(planned.boxes[0]);
        let own = to_class(&gone, 1, from, Metric::Euclidean).expect("a sound attack");
        prop_assert_eq!(planned.distance, Some(own));
        if let Some(other) = to_class(&kept, 1, from, Metric::Euclidean) {
            prop_assert!(own < other);
        }
    }

    /// On-victim placements stay on the victim, and one box for each instance stays on its instance.
    #[test]
    fn a_patch_on_the_object_is_on_the_object(labels in labels(), seed in 0u64..1000) {
        for kind in [PlacementKind::OnVictim, PlacementKind::PerInstance] {
            let attack = bind(&PoisonConfig {
                placement: Some(kind),
                trigger_size: Some(3),
                ..config("ofba")
            }, seed);
            let clean = sample(labels.clone(), None);
            let Ok(planned) = attack.plan(&clean.id, &labels, None) else { continue };
            for b in &planned.boxes {
                for y in b.y..b.y + 3 {
                    for x in b.x..b.x + 3 {
                        prop_assert_eq!(labels.get(y, x), CAR);
                    }
                }
            }
        }
    }
}

#[test]
fn a_condition_that_does_not_hold_leaves_the_record_alone() {
    let attack = bind(&config("badseg-conditional"), 0);
    let mut pixels = [0u64; 256];
    pixels[usize::from(CAR)] = 9;
    assert!(!attack.can_use(&pixels));
    pixels[1] = 1;
    assert!(attack.can_use(&pixels));
}

#[test]
fn ties_are_broken_by_the_seed() {
    // A car in the middle of a road: four places are equally near.
    let mut map = LabelMap::filled(21, 21, 0);
    map.set(10, 10, CAR);
    let places: std::collections::BTreeSet<(usize, usize)> = (0..40)
        .map(|seed| {
            let attack = bind(&sized("iba-nni", 3), seed);
            let planned = attack
                .plan(&sample(map.clone(), None).id, &map, None)
                .expect("a sound attack");
            assert_eq!(planned.distance, Some(2.0));
            centre(planned.boxes[0])
        })
        .collect();
    assert_eq!(places.len(), 4);
}
