//! The grammar's laws on random scenes, and poisoned data sets on disk.

mod laws;
mod scene;
mod written;
