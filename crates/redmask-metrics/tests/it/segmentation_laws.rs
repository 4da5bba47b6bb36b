//! What holds for any label maps.

use proptest::prelude::*;
use redmask_core::{IGNORE, LabelMap};
use redmask_metrics::boundary::{BoundaryTolerance, boundary_counts};
use redmask_metrics::{AbsentClass, ConfusionMatrix, SoftDice, SoftDiceOptions};

const CLASSES: u8 = 4;

fn label() -> impl Strategy<Value = u8> + Clone {
    prop_oneof![6 => 0..CLASSES, 1 => Just(IGNORE)]
}

/// Truth and prediction of one length.
fn pixels() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    (1usize..80).prop_flat_map(|n| {
        (
            prop::collection::vec(label(), n),
            prop::collection::vec(label(), n),
        )
    })
}

fn maps() -> impl Strategy<Value = (LabelMap, LabelMap)> {
    (1usize..9, 1usize..9).prop_flat_map(|(h, w)| {
        let map = prop::collection::vec(label(), h * w);
        (map.clone(), map).prop_map(move |(t, p)| (LabelMap::new(h, w, t), LabelMap::new(h, w, p)))
    })
}

fn matrix((truth, predicted): &(Vec<u8>, Vec<u8>)) -> ConfusionMatrix {
    let mut matrix = ConfusionMatrix::new(usize::from(CLASSES));
    matrix
        .add_pixels(truth, predicted)
        .expect("every id is a class");
    matrix
}

proptest! {
    #[test]
    fn merging_is_concatenating(a in pixels(), b in pixels()) {
        let mut merged = matrix(&a);
        merged.merge(&matrix(&b)).unwrap();
        let together = ([a.0, b.0].concat(), [a.1, b.1].concat());
        prop_assert_eq!(merged, matrix(&together));
    }

    #[test]
    fn the_order_of_pixels_does_not_matter(a in pixels(), seed: u64) {
        let mut order: Vec<usize> = (0..a.0.len()).collect();
        order.sort_by_key(|&i| (i as u64).wrapping_mul(seed | 1).rotate_left(17));
        let shuffled = (
            order.iter().map(|&i| a.0[i]).collect(),
            order.iter().map(|&i| a.1[i]).collect(),
        );
        prop_assert_eq!(matrix(&a), matrix(&shuffled));
    }

    #[test]
    fn renaming_classes_renames_rows(a in pixels()) {
        let rename = |v: &[u8]| v.iter().map(|&c| if c == IGNORE { c } else { (c + 1) % CLASSES }).collect::<Vec<_>>();
        let (plain, renamed) = (matrix(&a), matrix(&(rename(&a.0), rename(&a.1))));
        for c in 0..usize::from(CLASSES) {
            prop_assert_eq!(plain.class(c), renamed.class((c + 1) % usize::from(CLASSES)));
        }
        prop_assert_eq!(plain.pixel_accuracy(), renamed.pixel_accuracy());
    }

    #[test]
    fn ratios_are_fractions_and_dice_follows_iou(a in pixels()) {
        for class in matrix(&a).class_counts() {
            for value in [class.iou(), class.dice(), class.accuracy(), class.precision()].into_iter().flatten() {
                prop_assert!((0.0..=1.0).contains(&value));
            }
            match (class.iou(), class.dice()) {
                (Some(iou), Some(dice)) => {
                    prop_assert!((dice - 2.0 * iou / (1.0 + iou)).abs() < 1e-12);
                }
                (iou, dice) => prop_assert_eq!(iou, dice),
            }
        }
    }

    #[test]
    fn iou_and_dice_do_not_care_who_is_the_truth(n in 1usize..60, seed in prop::collection::vec((0..CLASSES, 0..CLASSES), 60)) {
        let (t, p): (Vec<u8>, Vec<u8>) = seed[..n].iter().copied().unzip();
        let (there, back) = (matrix(&(t.clone(), p.clone())), matrix(&(p, t)));
        for c in 0..usize::from(CLASSES) {
            prop_assert_eq!(there.class(c).iou(), back.class(c).iou());
            prop_assert_eq!(there.class(c).dice(), back.class(c).dice());
        }
        prop_assert_eq!(there.miou(AbsentClass::Skip), back.miou(AbsentClass::Skip));
    }

    #[test]
    fn a_perfect_prediction_scores_one(a in pixels()) {
        prop_assume!(a.0.iter().any(|&c| c != IGNORE));
        let perfect = matrix(&(a.0.clone(), a.0));
        prop_assert_eq!(perfect.miou(AbsentClass::Skip), Ok(1.0));
        prop_assert_eq!(perfect.pixel_accuracy(), Ok(1.0));
    }

    #[test]
    fn absent_class_policies_are_ordered(a in pixels()) {
        prop_assume!(a.0.iter().any(|&c| c != IGNORE));
        let m = matrix(&a);
        let miou = |absent| m.miou(absent).unwrap();
        prop_assert!(miou(AbsentClass::Zero) <= miou(AbsentClass::Skip));
        prop_assert!(miou(AbsentClass::Skip) <= miou(AbsentClass::InTruth) + 1e-12);
        prop_assert!(miou(AbsentClass::Skip) <= miou(AbsentClass::One) + 1e-12);
    }

    #[test]
    fn a_parallel_sum_equals_a_sequential_one(images in prop::collection::vec(maps(), 0..12)) {
        let pairs: Vec<_> = images.iter().map(|(t, p)| (t, p)).collect();
        let mut one_by_one = ConfusionMatrix::new(usize::from(CLASSES));
        for (t, p) in &pairs {
            one_by_one.add(t, p).unwrap();
        }
        prop_assert_eq!(ConfusionMatrix::of_pairs(usize::from(CLASSES), &pairs).unwrap(), one_by_one);
    }

    #[test]
    fn a_wider_tolerance_forgives_more((t, p) in maps(), a in 0.0f64..6.0, b in 0.0f64..6.0) {
        let at = |reach: f64| {
            boundary_counts(&t, &p, usize::from(CLASSES), BoundaryTolerance::Pixels(reach)).unwrap()
        };
        for (tight, loose) in at(a.min(b)).iter().zip(&at(a.max(b))) {
            prop_assert!(tight.truth_found <= loose.truth_found && loose.truth_found <= loose.truth);
            prop_assert!(tight.predicted_right <= loose.predicted_right);
            prop_assert!(tight.f1() <= loose.f1());
        }
    }

    #[test]
    fn swapping_the_maps_swaps_precision_and_recall((t, p) in maps()) {
        // Ignored pixels are the truth's alone, so the law needs maps that share them.
        let hide = |a: &LabelMap, b: &LabelMap| {
            let pairs = a.data().iter().zip(b.data());
            LabelMap::new(a.height(), a.width(), pairs.map(|(&x, &y)| if y == IGNORE { y } else { x }).collect())
        };
        let (t, p) = (hide(&t, &p), hide(&p, &t));
        let reach = BoundaryTolerance::Pixels(1.0);
        let there = boundary_counts(&t, &p, usize::from(CLASSES), reach).unwrap();
        let back = boundary_counts(&p, &t, usize::from(CLASSES), reach).unwrap();
        for (there, back) in there.iter().zip(&back) {
            prop_assert_eq!((there.truth, there.truth_found), (back.predicted, back.predicted_right));
            prop_assert_eq!(there.f1(), back.f1());
        }
    }

    #[test]
    fn soft_dice_of_a_hard_mask_is_one_minus_dice(t in prop::collection::vec(0u8..2, 1..50), p in prop::collection::vec(0u8..2, 50)) {
        let labels = LabelMap::new(1, t.len(), t.clone());
        let hard: Vec<f32> = p[..t.len()].iter().map(|&v| f32::from(v)).collect();
        let loss = SoftDice::of_foreground(&hard, &labels, &SoftDiceOptions::default()).unwrap().loss();
        let mut m = ConfusionMatrix::new(2);
        m.add_pixels(&t, &p[..t.len()]).unwrap();
        match (m.class(1).truth, m.class(1).dice()) {
            (0, _) => prop_assert_eq!(loss, 0.0),
            (_, dice) => prop_assert!((loss - (1.0 - dice.unwrap())).abs() < 1e-12),
        }
    }

    #[test]
    fn soft_dice_loss_is_a_fraction(p in prop::collection::vec(0.0f32..=1.0, 12), t in prop::collection::vec(label(), 4)) {
        let labels = LabelMap::new(2, 2, t.into_iter().map(|c| if c == 3 { 2 } else { c }).collect());
        let loss = SoftDice::of_classes(&p, &labels, &SoftDiceOptions::default()).unwrap().loss();
        prop_assert!((0.0..=1.0).contains(&loss));
    }
}
