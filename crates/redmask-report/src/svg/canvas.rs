//! SVG text, written by hand: colours come from the page's style sheet, so that one drawing fits light, dark and paper.

use std::fmt::Write as _;

/// Where a text is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

impl Anchor {
    fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

/// A drawing of fixed size in CSS pixels, `y` downwards.
#[derive(Debug, Clone)]
pub(crate) struct Canvas {
    width: f64,
    height: f64,
    body: String,
}

/// Average advance of a character, as a share of the font size, in the sans-serif faces of the style sheet.
const ADVANCE: f64 = 0.58;

/// An estimate of a text's width in pixels; no font is at hand to measure it.
pub(crate) fn text_width(text: &str, font_size: f64) -> f64 {
    text.chars().count() as f64 * font_size * ADVANCE
}

/// Keeps `text` within `width` pixels; what is cut off is marked.
pub(crate) fn shorten(text: &str, font_size: f64, width: f64) -> String {
    let most = (width / (font_size * ADVANCE)).floor().max(1.0) as usize;
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short = text
        .chars()
        .take(most.saturating_sub(1))
        .collect::<String>();
    short.truncate(short.trim_end().len());
    short.push('…');
    short
}

pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Control characters are no XML, escaped or not.
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// A tenth of a pixel is finer than any screen shows.
fn px(v: f64) -> String {
    let tenths = (v * 10.0).round();
    let tenths = if tenths == 0.0 { 0.0 } else { tenths };
    (tenths / 10.0).to_string()
}

impl Canvas {
    pub(crate) fn new(width: f64, height: f64) -> Self {
        Self {
            width,
            height,
            body: String::new(),
        }
    }

    /// Writing into a String cannot fail.
    fn push(&mut self, element: std::fmt::Arguments<'_>) {
        let _ = self.body.write_fmt(element);
    }

    /// Opens a group; everything up to [`Self::close`] inherits its class.
    pub(crate) fn open(&mut self, class: &str) {
        self.push(format_args!("<g class=\"{class}\">"));
    }

    pub(crate) fn close(&mut self) {
        self.body.push_str("</g>");
    }

    pub(crate) fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        let (x1, y1, x2, y2) = (px(x1), px(y1), px(x2), px(y2));
        self.push(format_args!(
            "<line class=\"{class}\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>"
        ));
    }

    /// A polyline, thinned to what can be seen.
    pub(crate) fn path(&mut self, class: &str, points: &[(f64, f64)]) {
        let d = path_data(&thin(points));
        if !d.is_empty() {
            self.push(format_args!("<path class=\"{class}\" d=\"{d}\"/>"));
        }
    }

    /// A closed polygon.
    pub(crate) fn area(&mut self, class: &str, points: &[(f64, f64)]) {
        let d = path_data(points);
        if !d.is_empty() {
            self.push(format_args!("<path class=\"{class}\" d=\"{d}Z\"/>"));
        }
    }

    pub(crate) fn rect(&mut self, class: &str, (x, y): (f64, f64), (w, h): (f64, f64)) {
        let (x, y, w, h) = (px(x), px(y), px(w.max(0.0)), px(h.max(0.0)));
        self.push(format_args!(
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\"/>"
        ));
    }

    /// A mark whose shape, and not its colour alone, tells series apart.
    pub(crate) fn marker(&mut self, class: &str, shape: usize, (x, y): (f64, f64), r: f64) {
        match shape % 4 {
            0 => {
                let (x, y, r) = (px(x), px(y), px(r));
                self.push(format_args!(
                    "<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"{r}\"/>"
                ));
            }
            1 => self.rect(class, (x - 0.88 * r, y - 0.88 * r), (1.76 * r, 1.76 * r)),
            2 => {
                let r = r * 1.2;
                self.area(
                    class,
                    &[
                        (x, y - r),
                        (x + 0.95 * r, y + 0.7 * r),
                        (x - 0.95 * r, y + 0.7 * r),
                    ],
                );
            }
            _ => self.diamond(class, (x, y), 1.25 * r),
        }
    }

    pub(crate) fn diamond(&mut self, class: &str, (x, y): (f64, f64), r: f64) {
        self.area(class, &[(x, y - r), (x + r, y), (x, y + r), (x - r, y)]);
    }

    pub(crate) fn text(&mut self, class: &str, anchor: Anchor, (x, y): (f64, f64), text: &str) {
        let (x, y, anchor, text) = (px(x), px(y), anchor.as_str(), escape(text));
        self.push(format_args!(
            "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{text}</text>"
        ));
    }

    /// A text over lines and marks, with a rim in the colour of the page.
    pub(crate) fn text_over(&mut self, anchor: Anchor, at: (f64, f64), text: &str) {
        self.text("tick halo", anchor, at, text);
    }

    /// Opens a group that shows `tip` under the pointer; closed by [`Self::close`].
    pub(crate) fn open_tip(&mut self, class: &str, tip: &str) {
        self.open(class);
        let tip = escape(tip);
        self.push(format_args!("<title>{tip}</title>"));
    }

    /// The whole element, with a title and a description for those who cannot see it.
    pub(crate) fn finish(self, id: &str, title: &str, description: &str) -> String {
        let (w, h) = (px(self.width), px(self.height));
        let (title, description) = (escape(title), escape(description));
        format!(
            "<svg class=\"plot\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\" width=\"{w}\" height=\"{h}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\"><title id=\"{id}-t\">{title}</title><desc id=\"{id}-d\">{description}</desc>{}</svg>",
            self.body
        )
    }

    /// A drawing inside a line of text, hidden from screen readers: the numbers stand beside it.
    pub(crate) fn finish_inline(self) -> String {
        let (w, h) = (px(self.width), px(self.height));
        format!(
            "<svg class=\"strip\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\" width=\"{w}\" height=\"{h}\" aria-hidden=\"true\">{}</svg>",
            self.body
        )
    }
}

fn path_data(points: &[(f64, f64)]) -> String {
    let mut d = String::new();
    for (i, &(x, y)) in points.iter().enumerate() {
        let command = if i == 0 { 'M' } else { 'L' };
        let _ = write!(d, "{command}{} {}", px(x), px(y));
    }
    d
}

/// Below this distance from the drawn line a point cannot be seen, in pixels.
const TOLERANCE: f64 = 0.15;

/// Drops points that lie on the line between their neighbours (Ramer 1972, Douglas and Peucker 1973).
fn thin(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() < 3 {
        return points.to_vec();
    }
    let mut keep = vec![false; points.len()];
    keep[0] = true;
    keep[points.len() - 1] = true;
    let mut open = vec![(0, points.len() - 1)];
    while let Some((first, last)) = open.pop() {
        let (a, b) = (points[first], points[last]);
        let length = (b.0 - a.0).hypot(b.1 - a.1);
        let distance = |p: (f64, f64)| {
            if length < 1e-9 {
                (p.0 - a.0).hypot(p.1 - a.1)
            } else {
                ((b.0 - a.0) * (a.1 - p.1) - (a.0 - p.0) * (b.1 - a.1)).abs() / length
            }
        };
        let farthest =
            (first + 1..last).max_by(|&i, &j| distance(points[i]).total_cmp(&distance(points[j])));
        if let Some(i) = farthest.filter(|&i| distance(points[i]) > TOLERANCE) {
            keep[i] = true;
            open.push((first, i));
            open.push((i, last));
        }
    }
    points
        .iter()
        .zip(keep)
        .filter_map(|(&p, keep)| keep.then_some(p))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_files_cannot_leave_its_element() {
        let mut canvas = Canvas::new(10.0, 10.0);
        canvas.text("t", Anchor::Start, (0.0, 0.0), "</text><script>\"&'\u{1}");
        let svg = canvas.finish("f", "<b>", "\"d\"");
        assert!(
            svg.contains("&lt;/text&gt;&lt;script&gt;&quot;&amp;&#39; </text>"),
            "{svg}"
        );
        assert!(!svg.contains("<b>") && !svg.contains("<script>"));
    }

    #[test]
    fn thinning_keeps_corners_and_ends() {
        let steps: Vec<(f64, f64)> = (0..=1000)
            .map(|i| (f64::from(i), f64::from(i / 500 * 100)))
            .collect();
        assert_eq!(
            thin(&steps),
            [
                (0.0, 0.0),
                (499.0, 0.0),
                (500.0, 100.0),
                (999.0, 100.0),
                (1000.0, 200.0)
            ]
        );
        assert_eq!(thin(&[(1.0, 1.0), (5.0, 5.0), (1.0, 1.0)]).len(), 3);
    }

    #[test]
    fn coordinates_are_short() {
        assert_eq!(px(12.3456), "12.3");
        assert_eq!(px(-0.01), "0");
        assert_eq!(px(7.0), "7");
    }

    #[test]
    fn long_labels_are_cut_with_a_mark() {
        assert_eq!(shorten("short", 10.0, 100.0), "short");
        assert_eq!(
            shorten("a very long label indeed", 10.0, 70.0),
            "a very long…"
        );
    }
}
