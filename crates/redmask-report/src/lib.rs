//! The result schema, tables, figures, HTML, CSV and comparison of runs.
