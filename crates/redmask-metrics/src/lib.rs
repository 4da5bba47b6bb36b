//! Segmentation, membership and backdoor metrics with intervals; pure functions and accumulators.
