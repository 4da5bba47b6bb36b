//! `records.csv`: every audited record, what the model showed of it, and what each attack made of that.

use std::fmt::Write as _;

use redmask_attacks::signals::Signal;

use super::attacks::Played;
use super::observe::Observation;

/// The table, members first.
pub(super) fn csv(target: [&[Observation]; 2], played: &[Played]) -> String {
    let mut out = String::from("id,group,member");
    // Writing into a String cannot fail.
    for signal in Signal::ALL {
        let _ = write!(out, ",signal.{}", signal.name());
    }
    out.push_str(",signal.gradient_norm,signal.label_steadiness");
    for attack in played {
        let _ = write!(out, ",score.{}", attack.outcome.attack);
    }
    out.push('\n');
    let records = target[0].iter().map(|o| (o, true));
    let records = records.chain(target[1].iter().map(|o| (o, false)));
    for (i, (observation, member)) in records.enumerate() {
        let _ = write!(
            out,
            "{},{},{}",
            quoted(observation.id.as_str()),
            quoted(&observation.group.0),
            u8::from(member)
        );
        for signal in Signal::ALL {
            let _ = write!(out, ",{}", signal.of(&observation.signals));
        }
        match &observation.gradient {
            Some(gradient) => _ = write!(out, ",{}", gradient.whole),
            None => out.push(','),
        }
        let views = &observation.views;
        if views.is_empty() {
            out.push(',');
        } else {
            let steady: f64 = views.iter().map(|v| v.steadiness).sum();
            let _ = write!(out, ",{}", steady / views.len() as f64);
        }
        for attack in played {
            let _ = write!(out, ",{}", attack.outcome.records[i].score);
        }
        out.push('\n');
    }
    out
}

/// A field as RFC 4180 has it. A leading `=`, `+`, `-` or `@` would be run by spreadsheets; ids come from foreign data.
fn quoted(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_cannot_break_out() {
        assert_eq!(quoted("train/0001"), "train/0001");
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(quoted("=1+1"), "'=1+1");
    }
}
