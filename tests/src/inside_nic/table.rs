//! The result, for people.

use super::{Act, ActOutcome, FlowOutcome, Outcome};
use crate::failover::FLOWS;
use crate::statistics::Summary;
use std::fmt::{self, Display, Formatter};

impl Display for Outcome {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: three flows of {} frames/s", self.nic, self.rate)?;
        self.acts.iter().try_for_each(|act| write!(f, "\n{act}"))?;
        let verdict = match self.is_well() {
            true => "everything held",
            false => "NOT everything held",
        };
        write!(f, "\n{verdict}")
    }
}

impl Display for ActOutcome {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<16}{:>9}{:>7}{:>9}{:>11}   {}",
            format!("{} {}", self.done, self.act.plural()),
            "sent",
            "lost",
            "doubled",
            "reordered",
            self.act.measured()
        )?;
        for ((name, _), flow) in FLOWS.iter().zip(&self.flows) {
            let FlowOutcome { tally, .. } = flow;
            writeln!(
                f,
                "  {name:<14}{:>9}{:>7}{:>9}{:>11}   {}",
                tally.sent,
                tally.lost,
                tally.doubled,
                tally.reordered,
                summary(self.act.times(flow), 1)
            )?;
        }
        write!(
            f,
            "  {} disconnects, {} rounds void",
            self.disconnects, self.void
        )?;
        if !self.freezes.is_empty() {
            write!(f, ", freeze µs: {}", summary(&self.freezes, 0))?;
        }
        writeln!(f)?;
        let mut violations = self.violations.iter();
        violations.try_for_each(|violation| writeln!(f, "  VIOLATED: {violation}"))
    }
}

impl Act {
    /// What [`Self::times`] are.
    fn measured(self) -> &'static str {
        match self {
            Self::Promote | Self::Deafen | Self::Reset => "longest gap, ms",
            Self::Kill => "death to traffic, ms",
        }
    }

    fn times(self, flow: &FlowOutcome) -> &[f64] {
        match self {
            Self::Promote | Self::Deafen | Self::Reset => &flow.blackouts,
            Self::Kill => &flow.back,
        }
    }
}

fn summary(values: &[f64], digits: usize) -> String {
    Summary::of(values).map_or_else(
        || "-".to_owned(),
        |Summary { median, max, .. }| format!("{median:.digits$} median, {max:.digits$} max"),
    )
}
