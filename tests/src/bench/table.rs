//! The result, for people.

use super::report::{Comparison, Report};
use super::window::WindowReport;
use super::windows::Void;
use crate::statistics::Summary;
use std::fmt::{self, Display, Formatter};

/// Upper bounds of the distributions' steps, µs; the last one is open.
const STEPS: [f64; 12] = [
    50.0,
    100.0,
    200.0,
    500.0,
    1e3,
    2e3,
    5e3,
    1e4,
    2e4,
    5e4,
    1e5,
    f64::INFINITY,
];
/// Width of the longest bar.
const BAR: usize = 30;

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} promotes under {} flows of {} frames/s; windows of {} ms with a promote and",
            self.runs,
            self.flows.len(),
            self.rate,
            self.window_ms
        )?;
        writeln!(
            f,
            "without, in random order (seed {}). Asked for by {}.\n",
            self.seed, self.trigger
        )?;
        self.promotes(f)?;
        self.blind(f)?;
        self.devices(f)?;
        self.phases(f)?;
        self.standby(f)?;
        self.trust(f)
    }
}

impl Report {
    fn promotes(&self, f: &mut Formatter<'_>) -> fmt::Result {
        heading(f, "µs")?;
        row(f, "freeze of a promote", self.freeze_us)?;
        row(f, "blackout of a promote", self.blackout_us)?;
        row(f, "without a promote", self.noise_us)?;
        for flow in &self.flows {
            row(f, &format!("{}, promote", flow.name), flow.blackout_us)?;
            row(f, &format!("{}, without", flow.name), flow.noise_us)?;
        }
        row(
            f,
            &format!("plain restart ({})", self.restart.runs),
            self.restart_us,
        )?;
        writeln!(
            f,
            "\nrestart by promote: {:.0} times longer. Restarts lost {} frames, refused {}, closed {} connections.",
            self.restart_by_promote,
            self.restart.counts.lost,
            self.restart.counts.refused,
            self.restart.disconnects
        )?;
        writeln!(
            f,
            "promotes: lost {}, doubled {}, reordered {}, disconnects {}\n",
            self.lost, self.doubled, self.reordered, self.disconnects
        )
    }

    fn blind(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "Longest gap of a window, with a promote and without:")?;
        let with = histogram(
            self.windows
                .iter()
                .filter(|window| window.promote.is_some()),
        );
        let without = histogram(
            self.windows
                .iter()
                .filter(|window| window.promote.is_none()),
        );
        let most = with
            .iter()
            .chain(&without)
            .max()
            .copied()
            .unwrap_or(0)
            .max(1);
        for (step, (with, without)) in STEPS.iter().zip(with.into_iter().zip(without)) {
            writeln!(
                f,
                "  {:>9} {with:>5} {:<BAR$} {without:>5} {}",
                step_name(*step),
                bar(with, most),
                bar(without, most)
            )?;
        }
        writeln!(f, "any flow: {}", verdict(&self.comparison))?;
        for flow in &self.flows {
            writeln!(f, "{}: {}", flow.name, verdict(&flow.comparison))?;
        }
        writeln!(f)
    }

    fn devices(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:>8} {:>6}  {:^26}  {:^26}  {:^26}",
            "devices", "runs", "freeze", "blackout", "without"
        )?;
        for one in &self.by_devices {
            writeln!(
                f,
                "{:>8} {:>6}  {}  {}  {}",
                one.devices,
                one.runs,
                three(one.freeze_us),
                three(one.blackout_us),
                three(one.noise_us)
            )?;
        }
        if let [first, .., last] = &self.by_devices[..] {
            let ratio = last.freeze_us.median / first.freeze_us.median;
            writeln!(
                f,
                "median freeze, {} devices by {}: {ratio:.2}",
                last.devices, first.devices
            )?;
        }
        writeln!(f)
    }

    fn phases(&self, f: &mut Formatter<'_>) -> fmt::Result {
        heading(f, "phases of a promote, µs")?;
        for (name, phase) in &self.phases_us {
            row(f, name, *phase)?;
        }
        row(f, "all", self.total_us)?;
        writeln!(f)
    }

    fn standby(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let standby = &self.standby;
        writeln!(
            f,
            "Idle standby, {} devices, {:.0} s: {:.2} % of a core (supervisor {:.2} %)",
            standby.devices, standby.seconds, standby.cpu_percent, standby.supervisor_cpu_percent
        )?;
        for thread in standby
            .threads
            .iter()
            .filter(|thread| thread.cpu_percent >= 0.01)
        {
            writeln!(
                f,
                "  {:<16} {:.2} %, {:.0} wakes/s",
                thread.name, thread.cpu_percent, thread.wakes_per_second
            )?;
        }
        writeln!(
            f,
            "  RSS {} KiB, PSS {} KiB, own hugepages {} KiB, shared ones {} KiB\n",
            standby.rss_kib, standby.pss_kib, standby.hugepages_kib, standby.shared_hugepages_kib
        )
    }

    fn trust(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        writeln!(
            f,
            "frames: sent {}, received {}, refused {}, skipped {}, corrupted {}; promotes longer than \
             their window: {}",
            counts.sent,
            counts.received,
            counts.refused,
            counts.skipped,
            counts.corrupted,
            self.overran
        )?;
        let by_devices = self.by_devices.iter().flat_map(|one| &one.void);
        let void: Vec<&Void> = self
            .void
            .iter()
            .chain(&self.restart.void)
            .chain(by_devices)
            .collect();
        write!(f, "void, and measured again: {}", void.len())?;
        for Void { reason, lost } in void {
            write!(f, "\n  {reason}; {lost} frames lost in it")?;
        }
        Ok(())
    }
}

fn heading(f: &mut Formatter<'_>, what: &str) -> fmt::Result {
    writeln!(f, "{what:<28} {:>10} {:>10} {:>10}", "median", "p99", "max")
}

fn row(f: &mut Formatter<'_>, what: &str, summary: Summary) -> fmt::Result {
    let Summary { median, p99, max } = summary;
    writeln!(f, "{what:<28} {median:>10.1} {p99:>10.1} {max:>10.1}")
}

fn three(summary: Summary) -> String {
    format!(
        "{:>8.1} {:>8.1} {:>8.1}",
        summary.median, summary.p99, summary.max
    )
}

fn verdict(comparison: &Comparison) -> String {
    let Comparison {
        median_difference_us,
        difference,
    } = comparison;
    let told = if difference.p_value < 0.05 {
        "can be told apart"
    } else {
        "cannot be told apart"
    };
    format!(
        "{told}: medians differ by {median_difference_us:+.1} µs, distance {:.3}, p = {:.3}",
        difference.distance, difference.p_value
    )
}

fn histogram<'a>(windows: impl Iterator<Item = &'a WindowReport>) -> [usize; STEPS.len()] {
    let mut counts = [0; STEPS.len()];
    for window in windows {
        counts[STEPS.partition_point(|step| *step < window.blackout_us)] += 1;
    }
    counts
}

fn step_name(step: f64) -> String {
    if step.is_finite() {
        format!("≤ {step} µs")
    } else {
        "longer".into()
    }
}

fn bar(count: usize, most: usize) -> String {
    "#".repeat((count * BAR).div_ceil(most))
}
