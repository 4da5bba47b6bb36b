//! Pictures of exposed training records: made only when asked for, and never stored with the stages.

use std::io::Cursor;

use image::{DynamicImage, GrayImage, ImageFormat, RgbImage};
use redmask_attacks::signals::{LossMap, loss_map, scores_of};
use redmask_core::{
    ClassTable, Error, IGNORE, Image, LabelMap, Predictor, Result, SegDataset, Session,
};
use redmask_report::schema::{Block, ExposedRecord, Png, ReportData};

use crate::plan::Task;
use crate::stages::{Workshop, load_model};

/// A pixel as uncertain as a coin, in nats; losses from twice this on are drawn white.
const COIN: f32 = std::f32::consts::LN_2;

/// Puts the image, the true mask and the victim's loss map beside every listed record, as the victim of the first seed
/// sees it in which the record was a member.
///
/// # Errors
/// If a record cannot be decoded or the victim cannot be loaded.
pub(crate) fn add(workshop: &Workshop<'_>, report: &mut ReportData) -> Result<()> {
    let Some(cell) = workshop.plan.qualities.first() else {
        return Ok(());
    };
    for &model in &cell.models {
        let Task::Train(task) = &workshop.plan.stages[model.stage].task else {
            return Err(Error::Internal("a quality of no training".into()));
        };
        let predictor = load_model(workshop, model)?;
        let members = workshop
            .records
            .dealt(&task.dealt, workshop.session)?
            .members;
        for record in exposed(report).filter(|record| record.image.is_none()) {
            let position = (0..members.len()).find(|&i| members.id(i).as_str() == record.id);
            if let Some(position) = position {
                workshop.session.cancel.check()?;
                picture(record, predictor.as_ref(), &members, position)?;
            }
        }
    }
    Ok(())
}

/// The same for an audit of one model: the image, the true mask and the model's loss map beside every listed record.
///
/// # Errors
/// If a record cannot be decoded or the model fails on it.
pub(crate) fn add_all(
    predictor: &dyn Predictor,
    members: &dyn SegDataset,
    report: &mut ReportData,
    session: &Session,
) -> Result<()> {
    for record in exposed(report) {
        let position = (0..members.len()).find(|&i| members.id(i).as_str() == record.id);
        if let Some(position) = position {
            session.cancel.check()?;
            picture(record, predictor, members, position)?;
        }
    }
    Ok(())
}

fn exposed(report: &mut ReportData) -> impl Iterator<Item = &mut ExposedRecord> {
    report
        .sections
        .iter_mut()
        .flat_map(|section| &mut section.blocks)
        .filter_map(|block| match block {
            Block::Exposed(exposed) => Some(&mut exposed.records),
            _ => None,
        })
        .flatten()
}

fn picture(
    record: &mut ExposedRecord,
    predictor: &dyn Predictor,
    members: &dyn SegDataset,
    position: usize,
) -> Result<()> {
    let sample = members.sample(position)?;
    let scores = scores_of(predictor.predict(&[&sample])?, predictor.class_count())?;
    let losses = loss_map(
        scores.image(0),
        scores.kind(),
        predictor.class_count(),
        &sample.labels,
    );
    record.image = Some(png(of_image(&sample.image)?)?);
    record.truth = Some(png(of_labels(&sample.labels, members.class_table())?)?);
    record.loss_map = Some(png(of_losses(&losses)?)?);
    Ok(())
}

pub(super) fn png(picture: DynamicImage) -> Result<Png> {
    let mut bytes = Vec::new();
    picture
        .write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png)
        .map_err(|e| Error::Internal(format!("a picture as PNG: {e}")))?;
    Png::new(bytes)
}

fn sized<T>(buffer: Option<T>) -> Result<T> {
    buffer.ok_or_else(|| Error::Internal("a picture whose pixels do not fill it".into()))
}

pub(super) fn of_image(image: &Image) -> Result<DynamicImage> {
    let (h, w) = (image.height() as u32, image.width() as u32);
    Ok(if image.channels() == 1 {
        sized(GrayImage::from_raw(w, h, image.data().to_vec()))?.into()
    } else {
        sized(RgbImage::from_raw(w, h, image.to_interleaved()))?.into()
    })
}

pub(super) fn of_labels(labels: &LabelMap, classes: &ClassTable) -> Result<DynamicImage> {
    let colours = labels
        .data()
        .iter()
        .flat_map(|&label| match classes.get(label) {
            Some(class) if label != IGNORE => class.colour,
            _ => [0, 0, 0],
        });
    let (h, w) = (labels.height() as u32, labels.width() as u32);
    Ok(sized(RgbImage::from_raw(w, h, colours.collect()))?.into())
}

fn of_losses(losses: &LossMap) -> Result<DynamicImage> {
    let grey = losses
        .data()
        .iter()
        .map(|loss| (loss / (2.0 * COIN) * 255.0).clamp(0.0, 255.0) as u8);
    let (h, w) = (losses.height() as u32, losses.width() as u32);
    Ok(sized(GrayImage::from_raw(w, h, grey.collect()))?.into())
}
