//! What holds for any attack and any change to an image.

use proptest::prelude::*;
use redmask_core::{Image, LabelMap};
use redmask_metrics::backdoor::{
    AttackSuccess, Collateral, Rings, SuccessCounts, TriggerBox, defence_effectiveness,
};
use redmask_metrics::image_quality::{changed_share, psnr, ssim};

fn map() -> impl Strategy<Value = LabelMap> + Clone {
    let label = prop_oneof![5 => 0u8..4, 1 => Just(255u8)];
    prop::collection::vec(label, 30).prop_map(|data| LabelMap::new(5, 6, data))
}

fn image() -> impl Strategy<Value = Image> + Clone {
    prop::collection::vec(any::<u8>(), 3 * 12 * 13).prop_map(|data| Image::new(3, 12, 13, data))
}

proptest! {
    #[test]
    fn hits_and_misses_share_the_attacked_pixels(truth in map(), wanted in map(), predicted in map()) {
        let counts = SuccessCounts::of_image(&truth, &wanted, &predicted).unwrap();
        prop_assert!(counts.hit + counts.retained <= counts.attacked);
        let obedient = SuccessCounts::of_image(&truth, &wanted, &wanted).unwrap();
        let immune = SuccessCounts::of_image(&truth, &wanted, &truth).unwrap();
        if counts.attacked > 0 {
            prop_assert_eq!((obedient.rate(), obedient.residual()), (Some(1.0), Some(0.0)));
            prop_assert_eq!((immune.rate(), immune.residual()), (Some(0.0), Some(1.0)));
        }
    }

    #[test]
    fn the_pooled_rate_lies_between_the_images(rates in prop::collection::vec((1u64..50, 0.0f64..=1.0), 1..8)) {
        let mut success = AttackSuccess::default();
        for (attacked, share) in rates {
            let hit = (attacked as f64 * share) as u64;
            success.add_image(SuccessCounts { attacked, hit, retained: attacked - hit });
        }
        let each: Vec<f64> = success.images.iter().filter_map(SuccessCounts::rate).collect();
        let (low, high) = each.iter().fold((1.0f64, 0.0f64), |(l, h), &r| (l.min(r), h.max(r)));
        for value in [success.pooled().unwrap(), success.image_mean(1).unwrap()] {
            prop_assert!(low - 1e-12 <= value && value <= high + 1e-12);
        }
    }

    #[test]
    fn a_trigger_that_changes_nothing_does_no_damage(truth in map(), wanted in map(), predicted in map(), x in 0usize..6, y in 0usize..5) {
        let mut collateral = Collateral::new(Rings::new(vec![0.0, 2.0, 4.0]).unwrap());
        let trigger = TriggerBox { x, y, width: 1, height: 1 };
        collateral.add(&truth, &wanted, &predicted, &predicted, trigger).unwrap();
        for share in [collateral.overall(), collateral.share(0), collateral.share(1)].into_iter().flatten() {
            prop_assert_eq!(share, 0.0);
        }
    }

    #[test]
    fn a_rating_rewards_less_attack_and_punishes_less_utility(a in 0.0f64..=1.0, b in 0.0f64..=1.0, c in 0.0f64..=1.0, d in 0.0f64..=1.0) {
        let rating = defence_effectiveness((a, b), (c, d)).unwrap();
        prop_assert!((0.0..=1.0).contains(&rating));
        prop_assert!(rating <= defence_effectiveness((a, b / 2.0), (c, d)).unwrap() + 1e-12);
        prop_assert!(rating >= defence_effectiveness((a, b), (c, d / 2.0)).unwrap() - 1e-12);
    }

    #[test]
    fn similarity_is_symmetric_bounded_and_perfect_only_for_the_same(a in image(), b in image()) {
        prop_assert_eq!(psnr(&a, &b).unwrap(), psnr(&b, &a).unwrap());
        let there = ssim(&a, &b).unwrap();
        prop_assert!((there - ssim(&b, &a).unwrap()).abs() < 1e-12);
        prop_assert!((-1.0..1.0).contains(&there));
        prop_assert!((ssim(&a, &a).unwrap() - 1.0).abs() < 1e-12);
        prop_assert_eq!(psnr(&a, &a).unwrap(), f64::INFINITY);
        prop_assert_eq!(changed_share(&a, &a).unwrap(), 0.0);
    }
}
