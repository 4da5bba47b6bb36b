//! Backdoor poisoning as one grammar: trigger, placement, relabelling, selection.
