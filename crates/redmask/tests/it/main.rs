//! The command line from outside: every verb, its output, its exit code, what it leaves behind.

mod audit;
mod bad_input;
mod dp;
mod help;
mod interrupt;
mod plan;
mod run;
mod scene;
