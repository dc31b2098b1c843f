//! What an instance's silence means: pure, without clock and NIC.

use vhost_transfer::ledger::Heard;

/// Who gets so many other packets while a probe is under way is not deaf: its receive ring may have been
/// full, and the probe with it. No less is in the smallest rings.
const BUSY: u64 = 256;

/// What is known of one instance's hearing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Verdict {
    /// It does not look for probes, or nobody can send it any.
    #[default]
    Unasked,
    /// It was just started, and has heard nothing yet.
    Unproven,
    /// It hears.
    Hears,
    /// It should hear, and does not.
    Deaf,
}

/// What the ledger shows of an instance.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signs {
    pub(super) heard: Heard,
    /// Packets that it took from its uplink.
    pub(super) received: u64,
    /// When the thread that polls the uplink went round last.
    pub(super) round: u64,
}

/// The probes of one instance.
#[derive(Debug, Default)]
pub(super) struct Hearing {
    verdict: Verdict,
    /// The probe that was not heard yet, and how things were when it was sent last.
    under_way: Option<UnderWay>,
    /// Sent in vain, in a row.
    missed: u32,
    /// Heard in a row.
    heard: u32,
}

#[derive(Debug)]
struct UnderWay {
    token: u64,
    received: u64,
    round: u64,
}

impl Hearing {
    pub(super) fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// A process starts, or is taken over: it has to prove itself.
    pub(super) fn begin(&mut self) {
        *self = Self {
            verdict: Verdict::Unproven,
            ..Self::default()
        };
    }

    /// A probe was sent to it, which is the one that is still under way if there is one.
    pub(super) fn asked(&mut self, token: u64, signs: &Signs) {
        let Signs {
            received, round, ..
        } = *signs;
        self.under_way = Some(UnderWay {
            token,
            received,
            round,
        });
    }

    /// The probe that has not been heard yet: a late one is as good a proof.
    pub(super) fn pending(&self) -> Option<u64> {
        self.under_way.as_ref().map(|probe| probe.token)
    }

    /// Nobody polls its uplink now, or nobody can ask: what is known of it stays.
    pub(super) fn rest(&mut self) {
        self.under_way = None;
        self.missed = 0;
        self.heard = 0;
    }

    /// There is no way to ask it: that it has not proven itself is not its fault.
    pub(super) fn cannot_be_asked(&mut self) {
        self.rest();
        if self.verdict == Verdict::Unproven {
            self.verdict = Verdict::Unasked;
        }
    }

    /// It has to prove itself, and nobody has asked it yet.
    pub(super) fn is_new(&self) -> bool {
        self.verdict == Verdict::Unproven && self.under_way.is_none()
    }

    /// It has to prove itself, and was asked.
    pub(super) fn waits_for_proof(&self) -> bool {
        self.verdict == Verdict::Unproven && self.under_way.is_some()
    }

    /// Sees what has become of the probe; whether it is late already is the question only at the end of
    /// its turn.
    pub(super) fn listen(&mut self, signs: &Signs, is_end: bool) {
        match (signs.heard, &self.under_way) {
            (Heard::NotListening, _) => *self = Self::default(),
            (Heard::Token(token), Some(probe)) if token == probe.token => self.hears(),
            (Heard::Nothing | Heard::Token(_), Some(probe)) if is_end => {
                let could = signs.round > probe.round;
                let busy = signs.received.saturating_sub(probe.received) >= BUSY;
                if could && !busy {
                    self.missed = self.missed.saturating_add(1);
                    self.heard = 0;
                }
            }
            (Heard::Nothing | Heard::Token(_), _) => {}
        }
    }

    /// One that was deaf has to do so more than once.
    fn hears(&mut self) {
        self.under_way = None;
        self.missed = 0;
        self.heard = self.heard.saturating_add(1);
        if self.verdict != Verdict::Deaf {
            self.verdict = Verdict::Hears;
        }
    }

    /// So many in a row.
    pub(super) fn heard(&self) -> u32 {
        self.heard
    }

    pub(super) fn give(&mut self, verdict: Verdict) {
        self.verdict = verdict;
    }

    /// What its probes say by now, if that is another verdict: who has missed so many in a row is deaf,
    /// and hears again when it has heard as many in a row.
    pub(super) fn new_verdict(&self, limit: u32) -> Option<Verdict> {
        match self.verdict {
            Verdict::Deaf => (self.heard >= limit).then_some(Verdict::Hears),
            Verdict::Unasked | Verdict::Unproven | Verdict::Hears => {
                (self.missed >= limit).then_some(Verdict::Deaf)
            }
        }
    }

    /// It is about to get this verdict.
    pub(super) fn is_near(&self, verdict: Verdict, limit: u32) -> bool {
        let near = |count| count > limit / 2 && count < limit;
        match verdict {
            Verdict::Deaf => self.verdict != Verdict::Deaf && near(self.missed),
            Verdict::Hears => self.verdict == Verdict::Deaf && near(self.heard),
            Verdict::Unasked | Verdict::Unproven => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u32 = 4;

    #[test]
    fn who_had_its_hands_full_has_missed_nothing() {
        let mut hearing = Hearing::default();
        hearing.begin();
        let mut signs = Signs {
            heard: Heard::Nothing,
            received: 0,
            round: 1,
        };
        for (received, missed) in [(BUSY, 0), (BUSY - 1, 1)] {
            hearing.asked(7, &signs);
            signs.round += 1;
            signs.received += received;
            hearing.listen(&signs, true);
            assert_eq!(hearing.missed, missed, "{received} other packets");
        }
    }

    #[test]
    fn in_the_middle_of_a_turn_a_proof_counts_and_silence_does_not() {
        let mut hearing = Hearing::default();
        hearing.begin();
        assert!(hearing.is_new() && !hearing.waits_for_proof());
        let mut signs = Signs {
            heard: Heard::Nothing,
            received: 0,
            round: 1,
        };
        hearing.asked(7, &signs);
        signs.round += 1;
        for _ in 0..3 * LIMIT {
            hearing.listen(&signs, false);
        }
        assert!(hearing.waits_for_proof() && hearing.missed == 0);
        signs.heard = Heard::Token(7);
        hearing.listen(&signs, false);
        assert_eq!(hearing.verdict, Verdict::Hears);
    }

    #[test]
    fn one_that_cannot_be_asked_is_not_to_blame() {
        let mut hearing = Hearing::default();
        hearing.begin();
        hearing.cannot_be_asked();
        assert_eq!(hearing.verdict, Verdict::Unasked);
        for verdict in [Verdict::Hears, Verdict::Deaf] {
            hearing.give(verdict);
            hearing.cannot_be_asked();
            assert_eq!(hearing.verdict, verdict, "that is known");
        }
    }

    #[test]
    fn a_late_answer_counts_and_an_old_one_does_not() {
        let mut hearing = Hearing::default();
        hearing.begin();
        let mut signs = Signs {
            heard: Heard::Token(5),
            received: 0,
            round: 1,
        };
        hearing.asked(7, &signs);
        for _ in 0..2 {
            signs.round += 1;
            hearing.listen(&signs, true);
            assert_eq!(
                (hearing.pending(), hearing.verdict),
                (Some(7), Verdict::Unproven)
            );
            hearing.asked(7, &signs);
        }
        signs.heard = Heard::Token(7);
        hearing.listen(&signs, true);
        assert_eq!((hearing.pending(), hearing.verdict), (None, Verdict::Hears));
    }
}
