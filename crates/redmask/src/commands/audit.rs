//! `redmask audit`

use std::collections::BTreeMap;

use redmask::Result;
use redmask::lab::audit::{Audit, ModelKind, ModelSource, ScalingName, audit};

use crate::args::AuditArgs;
use crate::commands::{Context, experiment};
use crate::exit::Exit;

pub(crate) fn run(context: &Context, args: &AuditArgs) -> Result<Exit> {
    let config = args.model_config.as_ref().map(|p| p.to_string_lossy());
    let complete = |source: &ModelSource| {
        source
            .clone()
            .or_option("arch", args.arch.as_deref())
            .or_option("scaling", args.scaling.as_ref().map(ScalingName::as_str))
            .or_option("config", config.as_deref())
    };
    let predictions = args.null_predictions.as_ref().map(|dir| ModelSource {
        kind: ModelKind::Predictions,
        path: dir.clone(),
        options: BTreeMap::new(),
    });
    let plan = Audit {
        model: complete(&args.model),
        members: args.members.clone(),
        non_members: args.non_members.clone(),
        population: args.population.clone(),
        references: args.reference_model.iter().map(complete).collect(),
        null: args.null_model.as_ref().map(complete).or(predictions),
        size: args.size,
        views: !args.no_requery,
        fail_if: args.fail_if.clone(),
        replicates: args.replicates,
        seed: args.seed,
        show_members: args.output.show_members,
    };
    let destination = experiment::destination("audit", &args.output.place, args.output.force);
    let command: Vec<String> = std::env::args().collect();
    let outcome = audit(&plan, &destination, &command, &context.session)?;
    experiment::print(context, &outcome)?;
    context.printer.note(&format!(
        "report: {}",
        destination.out.join("report.html").display()
    ));
    Ok(experiment::verdict(&outcome))
}
