//! The hearing of both instances, and what that of the one says about the other's: pure.

use super::hearing::{Hearing, Signs, Verdict};
use vhost_transfer::InstanceId;

/// Both instances.
#[derive(Debug, Default)]
pub(super) struct Pair {
    both: [Hearing; 2],
    /// Who is active, or was last.
    active: Option<InstanceId>,
    /// Who was deaf when it stopped being active, until the next one has heard anything as the active
    /// one.
    left: Option<InstanceId>,
}

impl Pair {
    pub(super) fn of(&mut self, id: InstanceId) -> &mut Hearing {
        &mut self.both[id as usize]
    }

    /// A process of `id` starts, or is taken over.
    pub(super) fn begin(&mut self, id: InstanceId) {
        if self.active == Some(id) && self.is_deaf(id) {
            self.left = Some(id);
        }
        self.of(id).begin();
    }

    /// `id` is the active one. What it has heard before it was is another thing: it may be reached in
    /// another way now.
    pub(super) fn serves(&mut self, id: InstanceId) {
        let Some(before) = self.active.replace(id).filter(|&before| before != id) else {
            return;
        };
        let was_deaf = self.is_deaf(before) || self.left == Some(before);
        self.left = was_deaf.then_some(before);
        self.of(id).rest();
    }

    /// What is told of `id`.
    pub(super) fn verdict(&self, id: InstanceId) -> Verdict {
        match self.is_contradicted(id) {
            true => Verdict::Deaf,
            false => self.both[id as usize].verdict(),
        }
    }

    /// That it hears now says nothing about how it would be as the active one: it was deaf then, and the
    /// other one is now. Probes may not reach whoever is active, and nothing is to go back and forth.
    pub(super) fn is_contradicted(&self, id: InstanceId) -> bool {
        self.left == Some(id) && self.is_deaf(id.other())
    }

    /// Somebody has to prove itself, and was asked.
    pub(super) fn waits_for_proof(&self) -> bool {
        self.both.iter().any(Hearing::waits_for_proof)
    }

    /// Nobody can be asked now.
    pub(super) fn rest(&mut self) {
        self.both.iter_mut().for_each(Hearing::rest);
    }

    /// Sees what has become of the probes, by the `signs` of those who should hear now; only at the end
    /// of a turn one can have been missed.
    pub(super) fn listen(&mut self, signs: &[Option<Signs>; 2], is_end: bool, limit: u32) {
        for (hearing, signs) in self.both.iter_mut().zip(signs) {
            match signs {
                Some(signs) => hearing.listen(signs, is_end),
                None => hearing.rest(),
            }
        }
        if self.active.is_some_and(|id| self.of(id).heard() > 0) {
            self.left = None;
        }
        InstanceId::BOTH
            .into_iter()
            .for_each(|id| self.judge(id, limit));
    }

    /// While the other one is about to get the same verdict it is put off: what is wrong for both is to
    /// be seen for both at a time, and nothing is to flee from the one to the other.
    fn judge(&mut self, id: InstanceId, limit: u32) {
        let other = &self.both[id.other() as usize];
        let verdict = self.both[id as usize].new_verdict(limit);
        let verdict = verdict.filter(|&verdict| !other.is_near(verdict, limit));
        if let Some(verdict) = verdict {
            self.of(id).give(verdict);
        }
    }

    fn is_deaf(&self, id: InstanceId) -> bool {
        self.both[id as usize].verdict() == Verdict::Deaf
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use InstanceId::{A, B};
    use vhost_transfer::ledger::Heard;

    const LIMIT: u32 = 4;

    /// Two instances that are asked again and again; what they hear is up to the test.
    #[derive(Default)]
    struct Bench {
        pair: Pair,
        signs: [Option<Signs>; 2],
        tokens: u64,
        /// Whose lanes do not go round.
        stands: Option<InstanceId>,
    }

    impl Bench {
        fn new() -> Self {
            let mut bench = Self {
                tokens: 1,
                ..Self::default()
            };
            for id in InstanceId::BOTH {
                bench.pair.begin(id);
            }
            bench
        }

        /// One round in which those of `hear` hear.
        fn round(&mut self, hear: &[InstanceId]) -> [Verdict; 2] {
            for id in InstanceId::BOTH {
                let signs = self.signs[id as usize].get_or_insert(Signs {
                    heard: Heard::Nothing,
                    received: 0,
                    round: 0,
                });
                let hearing = self.pair.of(id);
                let token = hearing.pending().unwrap_or_else(|| {
                    self.tokens += 1;
                    self.tokens
                });
                hearing.asked(token, signs);
                signs.round += u64::from(self.stands != Some(id));
                if hear.contains(&id) {
                    signs.heard = Heard::Token(token);
                }
            }
            self.pair.listen(&self.signs, true, LIMIT);
            InstanceId::BOTH.map(|id| self.pair.verdict(id))
        }

        fn rounds(&mut self, hear: &[InstanceId]) {
            for _ in 0..LIMIT {
                self.round(hear);
            }
        }

        fn signs(&mut self, id: InstanceId) -> &mut Signs {
            self.signs[id as usize].as_mut().unwrap()
        }
    }

    #[test]
    fn the_first_probe_proves_and_only_a_row_of_misses_condemns() {
        let mut bench = Bench::new();
        assert_eq!(bench.round(&[A]), [Verdict::Hears, Verdict::Unproven]);
        for _ in 0..5 {
            for _ in 1..LIMIT {
                assert_eq!(bench.round(&[B])[0], Verdict::Hears);
            }
            bench.round(&[A, B]);
        }
        for _ in 1..LIMIT {
            assert_eq!(bench.round(&[B])[0], Verdict::Hears);
        }
        assert_eq!(bench.round(&[B]), [Verdict::Deaf, Verdict::Hears]);
    }

    #[test]
    fn one_that_never_heard_anything_is_deaf_in_the_end() {
        let mut bench = Bench::new();
        for _ in 1..LIMIT {
            assert_eq!(bench.round(&[A])[1], Verdict::Unproven);
        }
        assert_eq!(bench.round(&[A])[1], Verdict::Deaf);
    }

    #[test]
    fn a_deaf_one_must_hear_as_many_in_a_row() {
        let mut bench = Bench::new();
        for _ in 0..LIMIT {
            bench.round(&[B]);
        }
        for _ in 1..LIMIT {
            assert_eq!(bench.round(&[A, B])[0], Verdict::Deaf);
        }
        bench.round(&[B]);
        for _ in 1..LIMIT {
            assert_eq!(bench.round(&[A, B])[0], Verdict::Deaf, "a new row");
        }
        assert_eq!(bench.round(&[A, B])[0], Verdict::Hears);
    }

    #[test]
    fn who_did_not_go_round_has_missed_nothing() {
        let mut bench = Bench::new();
        bench.round(&[A, B]);
        bench.stands = Some(A);
        for _ in 0..3 * LIMIT {
            assert_eq!(bench.round(&[B])[0], Verdict::Hears);
        }
    }

    #[test]
    fn what_is_wrong_for_both_is_seen_for_both_at_a_time() {
        let mut bench = Bench::new();
        bench.round(&[A, B]);
        bench.round(&[B]);
        let seen: Vec<_> = (0..LIMIT).map(|_| bench.round(&[])).collect();
        let one_alone = [Verdict::Deaf, Verdict::Hears];
        assert!(!seen.contains(&one_alone), "{seen:?}");
        assert_eq!(seen.last(), Some(&[Verdict::Deaf; 2]));
        bench.round(&[B]);
        let seen: Vec<_> = (0..LIMIT).map(|_| bench.round(&[A, B])).collect();
        let one_alone = [Verdict::Deaf, Verdict::Hears];
        assert!(!seen.contains(&one_alone), "{seen:?}");
        assert_eq!(seen.last(), Some(&[Verdict::Hears; 2]));
    }

    #[test]
    fn nothing_follows_from_the_silence_of_one_that_does_not_look() {
        let mut bench = Bench::new();
        bench.round(&[B]);
        for _ in 0..3 * LIMIT {
            bench.signs(A).heard = Heard::NotListening;
            assert_eq!(bench.round(&[B])[0], Verdict::Unasked);
        }
    }

    /// Probes reach the standby and not the active one, whoever that is: one move, and none back.
    #[test]
    fn nothing_goes_back_and_forth() {
        let mut bench = Bench::new();
        bench.pair.serves(A);
        bench.rounds(&[B]);
        assert_eq!(bench.round(&[B]), [Verdict::Deaf, Verdict::Hears]);
        bench.pair.begin(A);
        bench.pair.serves(B);
        assert_eq!(bench.round(&[A]), [Verdict::Hears; 2]);
        for _ in 0..3 * LIMIT {
            let [a, b] = bench.round(&[A]);
            assert!(b != Verdict::Deaf || a == Verdict::Deaf, "a refuge");
        }
        assert_eq!(bench.round(&[A]), [Verdict::Deaf; 2]);
        assert!(bench.pair.is_contradicted(A));
        bench.rounds(&[A, B]);
        assert_eq!(
            bench.round(&[A, B]),
            [Verdict::Hears; 2],
            "it was another trouble"
        );
    }

    /// One after the other goes deaf, and each had heard as the active one.
    #[test]
    fn one_that_has_heard_as_the_active_one_may_be_left_for_the_one_before() {
        let mut bench = Bench::new();
        bench.pair.serves(A);
        bench.round(&[A, B]);
        bench.rounds(&[B]);
        assert_eq!(bench.pair.verdict(A), Verdict::Deaf);
        bench.pair.serves(B);
        bench.pair.begin(A);
        bench.round(&[A, B]);
        bench.rounds(&[A]);
        assert_eq!(bench.round(&[A]), [Verdict::Hears, Verdict::Deaf]);
    }
}
