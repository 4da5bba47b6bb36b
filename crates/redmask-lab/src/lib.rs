//! Recipes, plans, the run store and the executor.
