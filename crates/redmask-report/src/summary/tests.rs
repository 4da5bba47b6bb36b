use super::*;
use crate::schema::{Measurement, ReportData, Unit};

fn auc(name: &str, low: f64, value: f64, high: f64) -> Measurement {
    Measurement::new(name, Unit::Fraction, value)
        .interval(low, high)
        .records(200, 200)
}

fn summary(measurements: Vec<Measurement>) -> Summary {
    let results = Results::new(measurements, vec![]).unwrap();
    let mut data = ReportData::new("t", "r", "small");
    data.labels.insert("type_ii".into(), "Type-II".into());
    Summary::of(&results, &Names::of(&data))
}

fn about(summary: &Summary, topic: Topic) -> String {
    let texts = summary.sentences.iter().filter(|s| s.topic == topic);
    texts
        .map(|s| s.text.as_str())
        .collect::<Vec<_>>()
        .join("\n")
}

fn sound_controls() -> [Measurement; 2] {
    [
        auc("control.blind.auc", 0.45, 0.5, 0.55),
        auc("control.null_victim.global_loss.auc", 0.45, 0.5, 0.55),
    ]
}

#[test]
fn an_interval_above_chance_with_sound_controls_leaks() {
    let finding = auc("membership.global_loss.auc", 0.61, 0.66, 0.71);
    let summary = summary(sound_controls().into_iter().chain([finding]).collect());
    assert_eq!(summary.verdict, Verdict::Leaks);
    assert_eq!(
        summary.headline,
        "Yes, it leaks. Global loss tells members from non-members with an AUC of 0.660 [0.610, 0.710]; chance is 0.5."
    );
    assert_eq!(summary.sentences[0].topic, Topic::Controls);
}

#[test]
fn a_failing_blind_control_voids_every_finding_it_speaks_of() {
    let list = |data: &str| {
        vec![
            auc("control.blind.auc", 0.52, 0.6, 0.68).condition("data", "camvid"),
            auc("membership.global_loss.auc", 0.61, 0.66, 0.71).condition("data", data),
        ]
    };
    let same = summary(list("camvid"));
    assert_eq!(same.verdict, Verdict::Void);
    assert!(about(&same, Topic::Controls).contains("differ by themselves, and"));
    assert_eq!(summary(list("polyp")).verdict, Verdict::Leaks);
}

#[test]
fn a_failing_null_victim_voids_its_own_attack_only() {
    let bad = auc("control.null_victim.type_ii.auc", 0.52, 0.6, 0.68);
    let type_ii = auc("membership.type_ii.auc", 0.8, 0.85, 0.9);
    let loss = auc("membership.global_loss.auc", 0.55, 0.6, 0.65);
    assert_eq!(
        summary(vec![bad.clone(), type_ii.clone()]).verdict,
        Verdict::Void
    );
    let both = summary(vec![bad, type_ii, loss]);
    assert_eq!(both.verdict, Verdict::Leaks);
    assert!(both.headline.contains("Global loss"), "{}", both.headline);
}

#[test]
fn no_finding_says_what_the_intervals_allow() {
    let summary = summary(vec![auc("membership.type_ii.auc", 0.44, 0.5, 0.56)]);
    assert_eq!(summary.verdict, Verdict::NoFinding);
    assert!(
        summary.headline.contains("an AUC up to 0.56"),
        "{}",
        summary.headline
    );
    assert!(about(&summary, Topic::Controls).contains("not measured"));
}

#[test]
fn without_an_interval_nothing_is_found() {
    let bare = Measurement::new("membership.type_ii.auc", Unit::Fraction, 0.9);
    assert_eq!(summary(vec![bare]).verdict, Verdict::Unmeasured);
    assert_eq!(summary(vec![]).verdict, Verdict::Unmeasured);
}

#[test]
fn accuracies_count_only_on_balanced_sets_and_without_areas() {
    let accuracy = |members| {
        Measurement::new("membership.type_ii.accuracy", Unit::Fraction, 0.9)
            .interval(0.85, 0.95)
            .records(members, 200)
    };
    assert_eq!(summary(vec![accuracy(200)]).verdict, Verdict::Leaks);
    assert_eq!(summary(vec![accuracy(1800)]).verdict, Verdict::Unmeasured);
}

#[test]
fn an_order_is_claimed_only_if_every_seed_shows_it() {
    let seeds = |name: &str, values: [f64; 3]| {
        let mean = values.iter().sum::<f64>() / 3.0;
        auc(name, mean - 0.05, mean, mean + 0.05).per_seed((0..).zip(values))
    };
    let order = |second: [f64; 3]| {
        let list = vec![
            seeds("membership.type_ii.auc", [0.80, 0.82, 0.84]),
            seeds("membership.global_loss.auc", second),
        ];
        about(&summary(list), Topic::Order)
    };
    assert_eq!(
        order([0.7, 0.81, 0.7]),
        "Type-II is ahead of Global loss in each of 3 runs."
    );
    assert!(order([0.7, 0.83, 0.7]).contains("no order is claimed"));
}

#[test]
fn one_seed_shows_no_order() {
    let one = |name: &str, v: f64| auc(name, v - 0.05, v, v + 0.05).per_seed([(0, v)]);
    let list = vec![
        one("membership.type_ii.auc", 0.9),
        one("membership.global_loss.auc", 0.6),
    ];
    assert!(about(&summary(list), Topic::Order).contains("one seed shows no order"));
}

#[test]
fn the_smallest_measurable_rate_is_said() {
    let tpr = Measurement::new("membership.type_ii.tpr_at_fpr_1e-2", Unit::Fraction, 0.34)
        .interval(0.2, 0.4)
        .records(200, 200);
    let text = about(&summary(vec![tpr]), Topic::LowFpr);
    assert!(
        text.contains("finds 34.0\u{202f}% [20.0, 40.0] of the members"),
        "{text}"
    );
    assert!(
        text.contains("no false positive rate below 0.5\u{202f}%"),
        "{text}"
    );
}

#[test]
fn published_numbers_outside_the_interval_are_named() {
    let list = vec![
        auc("membership.type_ii.auc", 0.6, 0.7, 0.8).published(0.75, "Table 2"),
        auc("membership.global_loss.auc", 0.6, 0.7, 0.8).published(0.9, "Table 3"),
    ];
    let text = about(&summary(list), Topic::Published);
    assert!(
        text.starts_with("Of 2 numbers with a published counterpart, 1 has"),
        "{text}"
    );
    assert!(
        text.contains("Farthest off: Global loss, AUC, measured 0.700, published 0.900"),
        "{text}"
    );
}
