//! The plot of `docs/scale.md`: for each scenario, the share of pods by how long they waited.

use std::{path::Path, time::Duration};

use plotters::prelude::*;

/// The shortest and longest waits that the plot shows, in seconds. The table has the others.
const SHORTEST: f64 = 0.01;
const LONGEST: f64 = 1000.0;

pub(super) fn waits<'a>(
    path: &Path,
    scenarios: impl Iterator<Item = (&'static str, &'a [Duration])>,
) {
    let area = SVGBackend::new(path, (960, 540)).into_drawing_area();
    area.fill(&WHITE).unwrap();
    let mut chart = ChartBuilder::on(&area)
        .caption(
            "Waits of 10,000 pods that start within 10 s",
            ("sans-serif", 20),
        )
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(56)
        .build_cartesian_2d((SHORTEST..LONGEST).log_scale(), 0.0..100.0)
        .unwrap();
    chart
        .configure_mesh()
        .x_desc("seconds from the first call to the last value (logarithmic)")
        .y_desc("pods, %")
        .draw()
        .unwrap();
    for (index, (name, waits)) in scenarios.enumerate() {
        let colour = Palette99::pick(index).to_rgba();
        // More points than one for each percent would not be visible.
        let points = (0..=100_u8).map(|percent| {
            let at = waits.len().saturating_sub(1) * usize::from(percent) / 100;
            let wait = waits.get(at).copied().unwrap_or_default().as_secs_f64();
            (wait.clamp(SHORTEST, LONGEST), f64::from(percent))
        });
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))
            .unwrap()
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK)
        .draw()
        .unwrap();
    area.present().unwrap();
}
