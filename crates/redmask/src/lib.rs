//! Redmask audits semantic-segmentation models: what they leak about their training records, and whether they hide a backdoor.
