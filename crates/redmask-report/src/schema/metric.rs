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
        "epsilon",
        "Epsilon (upper bound)",
        "What differential privacy promises, by the privacy-loss distribution; a promise only where the guarantee holds.",
    ),
    metric(
        "epsilon_rdp",
        "Epsilon (upper bound, Renyi)",
        "The same by Renyi accounting, which is looser.",
    ),
    metric(
        "epsilon_canaries",
        "Epsilon (lower bound, canaries)",
        "What the training's own canaries refute at 95 % confidence; above the upper bound, the implementation is wrong.",
    ),
    metric(
        "noise_multiplier",
        "Noise multiplier",
        "Standard deviation of the noise on the clipped sum of gradients, over the clipping norm.",
    ),
    metric(
        "protection",
        "Protection",
        "Share of (AUC - 0.5) that a defence takes from the worst attack, whose shadows are trained with the defence.",
    ),
    metric(
        "utility_loss",
        "Dice lost",
        "Mean Dice of the undefended model on held-out records, minus that of the defended one.",
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
        "mIoU on triggered images over the pixels and the classes that the attack leaves alone.",
    ),
    metric("cba", "CBA", "mIoU of the poisoned model on clean images."),
    metric(
        "cba_loss",
        "CBA loss",
        "mIoU of the clean twin minus mIoU of the poisoned model, both on clean images.",
    ),
    metric(
        "residual",
        "Residual victim rate",
        "Among the pixels that the relabelling would change, the share still predicted rightly on triggered images.",
    ),
    metric(
        "collateral",
        "Collateral",
        "Among the pixels that the attack should leave alone, outside the trigger, the share whose prediction it changes.",
    ),
    metric(
        "embedded",
        "Object halved",
        "Share of images whose predicted object falls below half under the trigger; a backdoor counts as embedded from one half on.",
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
