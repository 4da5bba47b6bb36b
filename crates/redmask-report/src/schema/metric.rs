//! The last part of a measurement's name: what it is called in print, and what it means.

/// A metric that names end in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// The last part of the name, such as `auc`.
    pub id: &'static str,
    /// As printed.
    pub label: &'static str,
    /// One sentence.
    pub definition: &'static str,
}

const fn metric(id: &'static str, label: &'static str, definition: &'static str) -> Metric {
    Metric {
        id,
        label,
        definition,
    }
}

/// The metrics that reports name and explain. A name may end in others; they are printed as they are.
pub const METRICS: &[Metric] = &[
    metric(
        "auc",
        "AUC",
        "Area under the ROC curve: the chance that a random member scores higher than a random non-member; ties count half.",
    ),
    metric(
        "auc_simultaneous",
        "AUC",
        "Area under the ROC curve, with an interval that holds for all attacks of the audit at once (Bonferroni).",
    ),
    metric(
        "accuracy",
        "Accuracy",
        "Share of records decided rightly at the attack's own threshold.",
    ),
    metric(
        "balanced_accuracy",
        "Balanced accuracy",
        "Mean of the true positive and the true negative rate at the attack's own threshold.",
    ),
    metric(
        "f1",
        "F1",
        "Harmonic mean of precision and recall for members at the attack's own threshold.",
    ),
    metric(
        "auc_last_epochs",
        "AUC, last epochs",
        "Mean over the last ten epochs of the attack classifier; the bounds are the least and the greatest value.",
    ),
    metric(
        "accuracy_last_epochs",
        "Accuracy, last epochs",
        "Mean over the last ten epochs of the attack classifier; the bounds are the least and the greatest value.",
    ),
    metric(
        "f1_last_epochs",
        "F1, last epochs",
        "Mean over the last ten epochs of the attack classifier; the bounds are the least and the greatest value.",
    ),
    metric(
        "precision",
        "Precision",
        "Share of true members among the records called members.",
    ),
    metric(
        "advantage",
        "Advantage",
        "Largest difference of true and false positive rate over all thresholds.",
    ),
    metric(
        "tpr",
        "TPR",
        "Share of members called members at the attack's own threshold.",
    ),
    metric(
        "fpr",
        "FPR",
        "Share of non-members called members at the attack's own threshold.",
    ),
    metric(
        "tpr_at_fpr_1e-1",
        "TPR at 10 % FPR",
        "Largest true positive rate with a false positive rate of at most 10 %.",
    ),
    metric(
        "tpr_at_fpr_1e-2",
        "TPR at 1 % FPR",
        "Largest true positive rate with a false positive rate of at most 1 %.",
    ),
    metric(
        "tpr_at_fpr_1e-3",
        "TPR at 0.1 % FPR",
        "Largest true positive rate with a false positive rate of at most 0.1 %.",
    ),
    metric(
        "ppv",
        "PPV",
        "Probability that a record called a member is one, at a stated prior.",
    ),
    metric(
        "epsilon_lower",
        "Epsilon (lower bound)",
        "Largest epsilon that the attack refutes at the stated confidence.",
    ),
    metric(
        "epsilon_ceiling",
        "Epsilon ceiling",
        "The epsilon that an attack without a single mistake would show on as many records.",
    ),
    metric(
        "miou",
        "mIoU",
        "Mean over classes of intersection over union.",
    ),
    metric(
        "pixel_accuracy",
        "Pixel accuracy",
        "Share of pixels predicted rightly, the ignore label excluded.",
    ),
    metric("dice", "Dice", "Mean over images of the Dice coefficient."),
    metric(
        "boundary_f1",
        "Boundary F1",
        "F1 of predicted against true boundary pixels within a tolerance.",
    ),
    metric("loss", "Loss", "Mean loss of a record."),
    metric(
        "gap",
        "Generalisation gap",
        "Mean Dice on the training records minus mean Dice on the held-out records.",
    ),
    metric(
        "miou_gap",
        "mIoU gap",
        "mIoU on the training records minus mIoU on the held-out records.",
    ),
    metric(
        "asr",
        "ASR",
        "Among the pixels that the relabelling would change, the share predicted as the relabelled class on triggered images.",
    ),
    metric(
        "net_asr",
        "Net ASR",
        "ASR minus the same share of the same model on untriggered images.",
    ),
    metric(
        "pba",
        "PBA",
        "Pixel accuracy on triggered images against the poisoned labels.",
    ),
    metric(
        "cba",
        "CBA",
        "Pixel accuracy of the poisoned model on clean images.",
    ),
    metric(
        "psnr",
        "PSNR",
        "Peak signal-to-noise ratio of the triggered against the clean image.",
    ),
    metric(
        "ssim",
        "SSIM",
        "Structural similarity of the triggered and the clean image.",
    ),
    metric(
        "flops",
        "Training FLOPs",
        "Counted floating-point operations of the training.",
    ),
    metric(
        "cost",
        "Cost",
        "Training FLOPs relative to the undefended training.",
    ),
];

impl Metric {
    /// The metric that `name` (dotted or not) ends in.
    pub fn of(name: &str) -> Option<&'static Self> {
        let last = name.rsplit('.').next().unwrap_or(name);
        METRICS.iter().find(|m| m.id == last)
    }
}
