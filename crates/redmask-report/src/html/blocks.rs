//! Tables, figures and exposed records as HTML.

use askama::Template;
use redmask_core::{Error, Result};

use super::Options;
use crate::grid::{Entry, Grid};
use crate::number::{short_percent, significant};
use crate::schema::{Block, ExposedRecords, Figure, PictureGrid, Plot, Png, Published, Table};
use crate::svg::{self, Context, StripScale, strip};

/// With more measured columns than this, strips would make the table wider than the page.
const STRIPS: usize = 3;

/// Renders a block; empty if it may not be shown.
pub(super) fn render(block: &Block, context: &Context<'_>, options: Options) -> Result<String> {
    match block {
        Block::Table(table) => show(&TableView::of(table, context)),
        Block::Figure(Figure {
            plot: Plot::Pictures(grid),
            ..
        }) if grid.shows_members && !options.show_members => Ok(String::new()),
        Block::Figure(figure) => match &figure.plot {
            Plot::Pictures(grid) => show(&PicturesView::of(figure, grid)),
            _ => show(&FigureView::of(figure, context)),
        },
        Block::Exposed(exposed) => show(&ExposedView::of(exposed, context, options)),
    }
}

fn show(template: &impl Template) -> Result<String> {
    template
        .render()
        .map_err(|e| Error::Internal(format!("a part of report.html: {e}")))
}

#[derive(Template)]
#[template(path = "table.html")]
struct TableView<'a> {
    table: &'a Table,
    heads: Vec<HeadView<'a>>,
    any_published: bool,
    strips: bool,
    rows: Vec<Vec<CellView<'a>>>,
}

struct HeadView<'a> {
    label: &'a str,
    unit: String,
    measured: bool,
    published: bool,
}

struct CellView<'a> {
    kind: CellKind<'a>,
    /// How many rows the cell stands for; zero where the one above does.
    rows: usize,
    published: Option<PublishedView<'a>>,
}

enum CellKind<'a> {
    Text(&'a str),
    Measured {
        value: String,
        interval: String,
        seeds: String,
        strip: String,
    },
    Missing(&'a str),
}

struct PublishedView<'a> {
    value: String,
    difference: String,
    source: &'a str,
}

impl<'a> TableView<'a> {
    fn of(table: &'a Table, context: &Context<'a>) -> Self {
        let grid = Grid::of(table, context.results);
        let measured = grid.heads.iter().filter(|h| h.style.is_some()).count();
        let strips = measured <= STRIPS;
        let scales: Vec<_> = (0..grid.heads.len())
            .map(|i| strips.then(|| scale(&grid, i)).flatten())
            .collect();
        let rows = grid.rows.iter().enumerate().map(|(r, row)| {
            let cells = row.iter().zip(&grid.heads).zip(&scales).enumerate();
            cells
                .map(|(c, ((entry, head), scale))| CellView {
                    rows: if c == 0 { span(&grid, r) } else { 1 },
                    kind: kind(*entry, scale.as_ref()),
                    published: head
                        .style
                        .filter(|_| head.published)
                        .map(|style| PublishedView {
                            value: entry
                                .published()
                                .map(|p| style.bare(p.value))
                                .unwrap_or_default(),
                            difference: entry
                                .difference()
                                .map(|d| style.signed(d))
                                .unwrap_or_default(),
                            source: entry.published().map_or("", |p| &p.source),
                        }),
                })
                .collect()
        });
        let rows = rows.collect();
        let heads = table
            .columns
            .iter()
            .zip(&grid.heads)
            .map(|(label, head)| HeadView {
                label,
                unit: head
                    .style
                    .map(|s| s.suffix().trim().to_owned())
                    .unwrap_or_default(),
                measured: head.style.is_some(),
                published: head.published,
            });
        Self {
            heads: heads.collect(),
            any_published: grid.heads.iter().any(|h| h.published),
            strips: scales.iter().any(Option::is_some),
            table,
            rows,
        }
    }
}

fn scale(grid: &Grid<'_>, column: usize) -> Option<StripScale> {
    let entries = || {
        grid.rows
            .iter()
            .filter_map(move |row| row.get(column).copied())
    };
    let measured = entries().filter_map(|e| match e {
        Entry::Measured(m) => Some(m),
        _ => None,
    });
    StripScale::of(measured, entries().filter_map(Entry::published))
}

/// How many rows in a row share the first cell's text.
fn span(grid: &Grid<'_>, row: usize) -> usize {
    let text = |r: usize| match grid.rows.get(r).and_then(|row| row.first()) {
        Some(Entry::Text(text)) => Some(*text),
        _ => None,
    };
    let Some(own) = text(row) else { return 1 };
    if row > 0 && text(row - 1) == Some(own) {
        return 0;
    }
    (row..grid.rows.len())
        .take_while(|&r| text(r) == Some(own))
        .count()
}

fn kind<'a>(entry: Entry<'a>, scale: Option<&StripScale>) -> CellKind<'a> {
    match entry {
        Entry::Text(text) => CellKind::Text(text),
        Entry::Missing { reason, .. } => CellKind::Missing(reason),
        Entry::Measured(m) => {
            let style = crate::number::Style::of(m);
            let seeds = m
                .seeds
                .iter()
                .zip(&m.per_seed)
                .map(|(s, v)| format!("seed {s}: {}", style.full(*v)));
            let published = m.published.as_ref().map(|p: &Published| p.value);
            CellKind::Measured {
                value: style.bare(m.value),
                interval: m.bounds().map(|b| style.interval(b)).unwrap_or_default(),
                seeds: seeds.collect::<Vec<_>>().join(", "),
                strip: scale
                    .map(|scale| strip(Some(m), published, scale))
                    .unwrap_or_default(),
            }
        }
    }
}

#[derive(Template)]
#[template(path = "figure.html")]
struct FigureView<'a> {
    figure: &'a Figure,
    kind: &'static str,
    panels: Vec<String>,
}

impl<'a> FigureView<'a> {
    fn of(figure: &'a Figure, context: &Context<'_>) -> Self {
        let panels = svg::draw(figure, context);
        let kind = match (&figure.plot, panels.len()) {
            (Plot::Bars(_), _) => "wide",
            (_, 0 | 1) => "one",
            (_, 2) => "two",
            _ => "three",
        };
        Self {
            figure,
            kind,
            panels,
        }
    }
}

#[derive(Template)]
#[template(path = "pictures.html")]
struct PicturesView<'a> {
    figure: &'a Figure,
    columns: &'a [String],
    rows: Vec<PictureRowView<'a>>,
}

struct PictureRowView<'a> {
    label: &'a str,
    note: &'a str,
    pictures: Vec<PictureView>,
}

struct PictureView {
    source: String,
    alt: String,
}

impl<'a> PicturesView<'a> {
    fn of(figure: &'a Figure, grid: &'a PictureGrid) -> Self {
        let rows = grid.rows.iter().map(|row| PictureRowView {
            label: &row.label,
            note: &row.note,
            pictures: row
                .pictures
                .iter()
                .zip(&grid.columns)
                .map(|(png, column)| PictureView {
                    source: png.as_ref().map(Png::data_uri).unwrap_or_default(),
                    alt: format!("{column}: {}", row.label),
                })
                .collect(),
        });
        Self {
            figure,
            columns: &grid.columns,
            rows: rows.collect(),
        }
    }
}

#[derive(Template)]
#[template(path = "exposed.html")]
struct ExposedView<'a> {
    exposed: &'a ExposedRecords,
    attacks: Vec<String>,
    groups: bool,
    shown: bool,
    records: Vec<ExposedRow<'a>>,
}

struct ExposedRow<'a> {
    rank: usize,
    id: &'a str,
    group: &'a str,
    loss: String,
    shares: Vec<ShareView>,
    seeds: String,
    pictures: Vec<PictureView>,
}

struct ShareView {
    text: String,
    percent: String,
}

impl<'a> ExposedView<'a> {
    fn of(exposed: &'a ExposedRecords, context: &Context<'_>, options: Options) -> Self {
        let records = exposed.records.iter().enumerate().map(|(i, record)| {
            let pictures = [
                (&record.image, "image"),
                (&record.truth, "true mask"),
                (&record.loss_map, "loss map"),
            ];
            let pictures = pictures.into_iter().filter(|_| options.show_members);
            let shares = record.percentiles.iter().map(|share| ShareView {
                text: share.map_or_else(|| "–".into(), short_percent),
                percent: format!("{:.1}", share.unwrap_or(0.0).clamp(0.0, 1.0) * 100.0),
            });
            ExposedRow {
                rank: i + 1,
                id: &record.id,
                group: record.group.as_deref().unwrap_or_default(),
                loss: significant(record.loss, 3),
                shares: shares.collect(),
                seeds: format!("{} of {}", record.exposed_in, exposed.seeds),
                pictures: pictures
                    .filter_map(|(png, what)| {
                        Some(PictureView {
                            source: png.as_ref()?.data_uri(),
                            alt: format!("{what} of {}", record.id),
                        })
                    })
                    .collect(),
            }
        });
        let records: Vec<_> = records.collect();
        Self {
            exposed,
            attacks: exposed
                .attacks
                .iter()
                .map(|a| context.names.label(a))
                .collect(),
            groups: exposed.records.iter().any(|r| r.group.is_some()),
            shown: records.iter().any(|r| !r.pictures.is_empty()),
            records,
        }
    }
}
