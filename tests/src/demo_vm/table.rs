//! The result for people.

use super::{Outcome, Seen, SideOutcome};
use std::fmt::Write;

pub(super) fn of(outcome: &Outcome) -> String {
    let mut text = head();
    for side in outcome.sides() {
        add_side(&mut text, side);
    }
    text += "Pings every 2 ms in both directions. Gap: the longest time in which none was answered;\n\
             machine: for which a CPU of the host let an ordinary thread wait meanwhile.\n";
    text += match outcome.unnoticed() {
        true => "Neither guest nor host nor QEMU noticed a promote.\n",
        false => "A promote was NOTICED.\n",
    };
    text
}

fn head() -> String {
    let groups = format!(
        "{:<22}{:^17}   {:^17}   {:^26}\n",
        "", "guest → host", "host → guest", "longest gap/ms"
    );
    let columns = format!(
        "{:<8} {:<12} {:>8} {:>8}   {:>8} {:>8}   {:>8} {:>8} {:>8}   {:>7} {:>11}\n",
        "QEMU is",
        "",
        "sent",
        "lost",
        "sent",
        "lost",
        "guest",
        "host",
        "machine",
        "carrier",
        "disconnects",
    );
    groups + &columns
}

fn add_side(text: &mut String, side: &SideOutcome) {
    let name = side.side.name();
    let promotes = match side.promotes.len() {
        1 => "1 promote".to_owned(),
        count => format!("{count} promotes"),
    };
    add_row(text, name, &promotes, &side.promoted);
    add_row(text, "", "nothing", &side.quiet);
    add_row(text, "", "restart", &side.restarted);
    let _ = writeln!(text, "{:<8} {}\n", "", summary(side));
}

fn add_row(text: &mut String, side: &str, what: &str, seen: &Seen) {
    let (guest, host) = (&seen.guest_to_host, &seen.host_to_guest);
    let _ = writeln!(
        text,
        "{side:<8} {what:<12} {:>8} {:>8}   {:>8} {:>8}   {:>8.1} {:>8.1} {:>8.1}   {:>7} {:>11}",
        guest.sent,
        guest.missing(),
        host.sent,
        host.missing(),
        guest.longest_gap_ms,
        host.longest_gap_ms,
        seen.machine_stall_ms,
        seen.carrier_changes,
        seen.disconnects,
    );
}

fn summary(side: &SideOutcome) -> String {
    let mut freezes: Vec<f64> = side.promotes.iter().filter_map(|p| p.freeze_us).collect();
    freezes.sort_by(f64::total_cmp);
    let freeze = match (freezes.get(freezes.len() / 2), freezes.last()) {
        (Some(median), Some(longest)) => {
            format!(", freeze {median:.0} µs in the median, {longest:.0} at most")
        }
        (None, _) | (_, None) => String::new(),
    };
    let (qemu, boot) = (&side.qemu, side.boot_s);
    format!("QEMU {qemu}, booted in {boot:.1} s{freeze}")
}
