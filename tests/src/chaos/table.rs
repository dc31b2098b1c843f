//! The result, for people.

use super::Outcome;
use std::fmt::{self, Display, Formatter};

impl Display for Outcome {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "seed {}: {} deaths under three flows of {} frames/s, {} lanes, bursts of {}\n",
            self.seed,
            self.deaths(),
            self.rate,
            self.lanes,
            self.burst
        )?;
        writeln!(
            f,
            "{:<11}{:>7}{:>6}{:>8}{:>8}{:>9}{:>6}{:>10}{:>12}{:>7}   blackout, ms",
            "",
            "deaths",
            "void",
            "lost",
            "max",
            "doubled",
            "max",
            "reordered",
            "disconnects",
            "stuck"
        )?;
        for (kind, of_kind) in &self.kinds {
            write!(
                f,
                "{kind:<11}{:>7}{:>6}{:>8}{:>8}{:>9}{:>6}{:>10}{:>12}{:>7}",
                of_kind.deaths,
                of_kind.void,
                of_kind.lost,
                of_kind.lost_max,
                of_kind.doubled,
                of_kind.doubled_max,
                of_kind.reordered,
                of_kind.disconnects,
                of_kind.stuck
            )?;
            if let Some(blackout) = of_kind.blackout_us {
                let [median, p99, max] = [blackout.median, blackout.p99, blackout.max];
                let ms = |us: f64| us / 1e3;
                write!(
                    f,
                    "   {:.1} median, {:.1} p99, {:.1} max",
                    ms(median),
                    ms(p99),
                    ms(max)
                )?;
            }
            writeln!(f)?;
        }
        writeln!(
            f,
            "\n{} rounds void, {} may be; {} looks at the ledger",
            self.void, self.void_limit, self.looks
        )?;
        if self.is_void() {
            writeln!(
                f,
                "VOID: the instrument did not run when it should, again and again: let nothing else run \
                 on this machine, and start again"
            )?;
        }
        for violation in &self.violations {
            write!(f, "\nVIOLATED: {violation}")?;
        }
        let verdict = if self.is_well() {
            "everything held"
        } else {
            "NOT everything held"
        };
        write!(f, "\n{verdict}")
    }
}
