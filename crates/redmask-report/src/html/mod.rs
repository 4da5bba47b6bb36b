//! The report as one self-contained page: no network, no scripts, light and dark, screen and paper.

mod blocks;
mod overview;
mod provenance;

use askama::Template;
use redmask_core::{Error, Result};

use crate::Report;
use crate::gate::GateOutcome;
use crate::names::Names;
use crate::schema::{Measurement, SCHEMA_VERSION};
use crate::summary::Summary;
use crate::svg::Context;
use overview::{MeasurementRow, ThreatRow, Tile, TopicView};
use provenance::ProvenanceView;

/// What a page may show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Embeds pictures of training records and their loss maps, as far as the report data holds them. A report can leak
    /// too: without this, records are named and not shown.
    pub show_members: bool,
}

const STYLE: &str = include_str!("../../templates/style.css");

/// Beyond this, a page is slow to open and nobody reads on; the CSV holds all.
const MOST_ROWS: usize = 600;

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    style: &'static str,
    title: &'a str,
    subtitle: &'a str,
    recipe: &'a str,
    profile: &'a str,
    seeds: String,
    data: String,
    verdict: &'static str,
    verdict_label: &'static str,
    headline: &'a str,
    tiles: Vec<Tile>,
    topics: Vec<TopicView<'a>>,
    gates: &'a [GateOutcome],
    warnings: Vec<&'a str>,
    sections: Vec<SectionView<'a>>,
    threats: Vec<ThreatRow>,
    measurements: Vec<MeasurementRow>,
    measurement_count: usize,
    provenance: ProvenanceView<'a>,
    schema_version: u32,
}

struct SectionView<'a> {
    id: &'a str,
    title: &'a str,
    lead: &'a str,
    blocks: Vec<String>,
}

/// Renders the page.
///
/// # Errors
/// If a template cannot be rendered.
pub fn render(report: &Report, gates: &[GateOutcome], options: Options) -> Result<String> {
    let names = Names::of(&report.data);
    let summary = Summary::of(&report.results, &names);
    let context = Context {
        results: &report.results,
        names: &names,
    };
    let mut sections = Vec::with_capacity(report.data.sections.len());
    for section in &report.data.sections {
        let blocks = section
            .blocks
            .iter()
            .map(|block| blocks::render(block, &context, options));
        let blocks = blocks.collect::<Result<Vec<_>>>()?;
        sections.push(SectionView {
            id: &section.id,
            title: &section.title,
            lead: &section.lead,
            // A block that may not be shown renders as nothing.
            blocks: blocks.into_iter().filter(|html| !html.is_empty()).collect(),
        });
    }
    let (verdict, verdict_label) = overview::verdict(summary.verdict);
    let measurements = report.results.measurements();
    let page = Page {
        style: STYLE,
        title: &report.data.title,
        subtitle: &report.data.subtitle,
        recipe: &report.data.recipe,
        profile: &report.data.profile,
        seeds: seeds(measurements),
        data: overview::data(&report.provenance),
        verdict,
        verdict_label,
        headline: &summary.headline,
        tiles: overview::tiles(&report.results, &names),
        topics: overview::topics(&summary),
        gates,
        warnings: report
            .results
            .warnings()
            .iter()
            .map(|w| w.message.as_str())
            .collect(),
        sections,
        threats: overview::threats(&report.data),
        measurements: measurements
            .iter()
            .take(MOST_ROWS)
            .map(|m| MeasurementRow::of(m, &names))
            .collect(),
        measurement_count: measurements.len(),
        provenance: ProvenanceView::of(&report.provenance),
        schema_version: SCHEMA_VERSION,
    };
    page.render()
        .map_err(|e| Error::Internal(format!("report.html: {e}")))
}

/// The seeds of all trainings.
fn seeds(measurements: &[Measurement]) -> String {
    let mut seeds: Vec<u64> = measurements
        .iter()
        .flat_map(|m| m.seeds.iter().copied())
        .collect();
    seeds.sort_unstable();
    seeds.dedup();
    seeds
        .iter()
        .map(u64::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
