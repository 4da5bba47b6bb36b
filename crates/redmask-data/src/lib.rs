//! Readers, procedural scenes, decode limits, resizing, splits by group and data-set checks.
