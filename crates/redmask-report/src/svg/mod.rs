//! Figures as SVG. Series are told apart by colour, dash and mark together, and named where they are drawn.

mod bars;
mod canvas;
mod frame;
mod histogram;
mod lines;
mod roc;
mod scatter;
mod span;
mod strip;

use crate::names::Names;
use crate::schema::{Figure, Plot, Results};

pub(crate) use strip::{StripScale, strip};

/// What figures look up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) results: &'a Results,
    pub(crate) names: &'a Names,
}

/// How many colours the style sheet has.
const COLOURS: usize = 6;

/// How one series looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Series {
    /// Colour, dash and mark by place.
    Place(usize),
    /// Grey.
    Control,
}

impl Series {
    /// An attack looks the same in every figure.
    pub(crate) fn of_attack(id: &str, control: bool, names: &Names) -> Self {
        if control {
            return Self::Control;
        }
        // Unknown ids still get a stable look.
        let hashed = || {
            id.bytes()
                .fold(0usize, |h, b| h.wrapping_mul(31).wrapping_add(b.into()))
        };
        Self::Place(names.attack_index(id).unwrap_or_else(hashed))
    }

    /// The class that sets the colour.
    pub(crate) fn class(self) -> String {
        match self {
            Self::Place(i) => format!("s{}", i % COLOURS),
            Self::Control => "control".into(),
        }
    }

    /// The class that sets the dash of lines.
    pub(crate) fn dash(self) -> &'static str {
        match self {
            Self::Place(i) => ["solid", "dash", "dashdot", "longdash"][i % 4],
            Self::Control => "dot",
        }
    }

    /// The shape of marks.
    pub(crate) fn shape(self) -> usize {
        match self {
            Self::Place(i) => i % 4,
            Self::Control => 0,
        }
    }
}

/// Draws a figure: one SVG for each panel. Pictures are no drawings and give none.
pub(crate) fn draw(figure: &Figure, context: &Context<'_>) -> Vec<String> {
    let (id, title) = (&figure.id, &figure.title);
    match &figure.plot {
        Plot::Roc(plot) => roc::draw(id, title, plot, context),
        Plot::Bars(plot) => bars::draw(id, title, plot, context),
        Plot::Scatter(plot) => scatter::draw(id, title, plot, context),
        Plot::Histogram(plot) => histogram::draw(id, title, plot),
        Plot::Lines(plot) => lines::draw(id, title, plot, context),
        Plot::Pictures(_) => Vec::new(),
    }
}
