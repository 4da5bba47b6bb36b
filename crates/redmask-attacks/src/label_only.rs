//! The label-only attack: how right, and how steady, are the labels of a record under small changes?
//!
//! For models that answer with classes alone. Membership shows in two ways: the labels of a member agree better with its
//! mask, and they move less when the record is mirrored or shifted a little. The features are pixel accuracy, mIoU and
//! boundary F1 of every view, and the share of pixels whose label each view leaves alone; a logistic regression on the
//! shadows' records weighs them. The augmentation queries are those of Choquette-Choo et al. (ICML 2021,
//! arXiv 2007.14321); Zhang et al. (TDSC 2023) study the setting for segmentation, but publish no algorithm in the open.
//!
//! **Sees and knows**: labels, the true mask, shadow models. The model must answer fresh queries; saved predictions of the
//! original records cannot.

use rayon::prelude::*;
use redmask_core::{
    Access, IGNORE, Knowledge, LabelMap, Predictor, Result, SegDataset, Session, ThreatModel,
};
use redmask_data::Transform;
use serde::{Deserialize, Serialize};

use crate::membership::{MembershipAttack, MembershipInput, MembershipOutcome};
use crate::shadow_regression;
use crate::signals::{View, label_agreement, predict_in_batches, steadiness};

/// Configuration of [`LabelOnly`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LabelOnlyConfig {
    /// Shift of the four shifted views, as a share of the side.
    pub shift: f32,
    /// Radius of the boundary F1, pixels.
    pub boundary_radius: u16,
}

impl Default for LabelOnlyConfig {
    fn default() -> Self {
        Self {
            shift: 0.05,
            boundary_radius: 3,
        }
    }
}

/// The label-only attack.
#[derive(Debug, Clone, Copy)]
pub struct LabelOnly {
    config: LabelOnlyConfig,
}

impl LabelOnly {
    /// An attack with this configuration.
    pub fn new(config: LabelOnlyConfig) -> Self {
        Self { config }
    }

    fn views(self) -> [Transform; 5] {
        let s = self.config.shift;
        let shifted = |shift| Transform {
            shift,
            ..Transform::IDENTITY
        };
        [
            Transform::FLIP_X,
            shifted((s, 0.0)),
            shifted((-s, 0.0)),
            shifted((0.0, s)),
            shifted((0.0, -s)),
        ]
    }

    fn rows(
        self,
        predictor: &dyn Predictor,
        data: &dyn SegDataset,
        input: &MembershipInput<'_>,
        session: &Session,
    ) -> Result<Vec<Vec<f64>>> {
        let classes = predictor.class_count();
        let mut rows: Vec<Vec<f64>> = vec![Vec::new(); data.len()];
        let mut plain: Vec<LabelMap> = Vec::with_capacity(data.len());
        for view in std::iter::once(Transform::IDENTITY).chain(self.views()) {
            let seen = View::new(data, view);
            predict_in_batches(
                predictor,
                &seen,
                input.batch,
                session,
                |start, samples, prediction| {
                    let found = prediction.labels();
                    let features: Vec<Vec<f64>> = samples
                        .par_iter()
                        .zip(&found)
                        .enumerate()
                        .map(|(i, (sample, found))| {
                            let mut row = label_agreement(
                                &sample.labels,
                                found,
                                classes,
                                self.config.boundary_radius,
                            )
                            .to_vec();
                            if let Some(plain) = plain.get(start + i) {
                                row.push(steadiness(&view.raster(plain, IGNORE), found));
                            }
                            row
                        })
                        .collect();
                    for (row, features) in rows[start..].iter_mut().zip(features) {
                        row.extend(features);
                    }
                    if view == Transform::IDENTITY {
                        plain.extend(found);
                    }
                    Ok(())
                },
            )?;
        }
        Ok(rows)
    }
}

impl MembershipAttack for LabelOnly {
    fn name(&self) -> &'static str {
        "label_only"
    }

    fn threat_model(&self) -> ThreatModel {
        ThreatModel {
            access: Access::Labels,
            knowledge: vec![Knowledge::GroundTruth, Knowledge::ShadowData],
        }
    }

    fn infer(
        &self,
        input: &MembershipInput<'_>,
        session: &Session,
    ) -> Result<Vec<MembershipOutcome>> {
        shadow_regression::run(self, input, |predictor, data| {
            self.rows(predictor, data, input, session)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use redmask_core::Seed;
    use redmask_metrics::Roc;

    use super::*;
    use crate::membership::{Shadow, Target, TargetRole};
    use crate::testing::{Discs, Memoriser, part};

    /// A model that answers with labels only, and errs less on what it memorised.
    #[test]
    fn labels_alone_give_members_away() {
        let data: Arc<dyn SegDataset> = Arc::new(Discs::new(240, 12, 1, Seed::root(1)));
        let sides: Vec<_> = (0..4).map(|i| part(&data, 60 * i..60 * i + 60)).collect();
        let model = |members, seed| {
            Memoriser::new(members, 3.0, Seed::root(seed))
                .noisy(3.0)
                .labels_only()
        };
        let (victim, shadow) = (model(&sides[0], 2), model(&sides[2], 3));
        let input = MembershipInput {
            shadows: vec![Shadow {
                predictor: &shadow,
                members: &sides[2],
                non_members: &sides[3],
                last_epoch_losses: &[],
            }],
            targets: vec![Target {
                role: TargetRole::Victim,
                predictor: &victim,
                members: &sides[0],
                non_members: &sides[1],
            }],
            knowledge: [Knowledge::GroundTruth, Knowledge::ShadowData].into(),
            batch: 20,
            seed: Seed::root(0),
        };
        let attack = LabelOnly::new(LabelOnlyConfig::default());
        let found = attack
            .run(&input, &Session::default())
            .expect("labels suffice");
        let roc =
            Roc::new(&found[0].member_scores(), &found[0].non_member_scores()).expect("scores");
        assert!(roc.auc() > 0.8, "{}", roc.auc());
    }

    #[test]
    fn pixels_outside_the_view_do_not_count() {
        let expected = LabelMap::new(1, 4, vec![0, 1, IGNORE, 1]);
        let found = LabelMap::new(1, 4, vec![0, 0, 0, 1]);
        assert!((steadiness(&expected, &found) - 2.0 / 3.0).abs() < 1e-12);
    }
}
