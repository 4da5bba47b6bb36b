//! The command line from outside: every verb, its output, its exit code, what it leaves behind.

mod audit;
mod bad_data;
mod bad_input;
mod defences;
mod dp;
mod help;
mod interrupt;
mod plan;
mod poison;
mod pool;
mod run;
mod scene;
