//! When a peer was away, and what others had to be told of it.

use crate::history::{Ending, History, Life, Micros, Rules, SECOND, Session};

/// The times at which one peer was away, in order.
#[derive(Debug)]
pub(super) struct Absences(pub(super) Vec<Absence>);

/// One time away.
#[derive(Debug)]
pub(super) struct Absence {
    pub(super) from: Micros,
    /// When it announced itself again.
    pub(super) until: Option<Micros>,
    /// The session before.
    pub(super) session: u32,
    /// The earliest time at which a leave of it may be heard.
    pub(super) leave_from: Option<Micros>,
    /// When a leave of it must have been heard.
    pub(super) leave_by: Option<Micros>,
    /// From then on, what is sent is kept for its return; not when it does not return, or its node was disturbed.
    pub(super) kept_from: Option<Micros>,
    /// Its node was frozen for longer than the lease; its connection was not lost.
    pub(super) frozen: bool,
}

impl Absences {
    pub(super) fn of(life: &Life, history: &History, rules: &Rules) -> Self {
        let mut absences = Vec::new();
        for (n, session) in life.sessions.iter().enumerate() {
            if let Some(absence) = of_session(life, n, session, history, rules) {
                absences.push(absence);
            }
            for &(node, from, to) in &history.deeds.frozen {
                let there = session.announced < to
                    && session.ended.is_none_or(|(ended, _)| ended > from)
                    && session.node == node;
                if there && to - from + SECOND >= rules.lease {
                    absences.push(Absence {
                        from,
                        until: Some(to),
                        session: session.number,
                        leave_from: Some(from),
                        leave_by: None,
                        kept_from: None,
                        frozen: true,
                    });
                }
            }
        }
        absences.sort_by_key(|absence| absence.from);
        Self(absences)
    }

    /// Whether the peer was away, or about to be or just back, at some time from `from` to `to`.
    pub(super) fn disturb(&self, from: Micros, to: Micros) -> bool {
        let mut absences = self.0.iter();
        absences.any(|away| away.from <= to && away.until.is_none_or(|until| until >= from))
    }
}

/// The absence with which a session ended.
fn of_session(
    life: &Life,
    n: usize,
    session: &Session,
    history: &History,
    rules: &Rules,
) -> Option<Absence> {
    let (from, ending) = session.ended?;
    let killed = ending == Ending::Lost && died(history, session);
    let next = life.sessions.get(n + 1);
    let until = next.map(|next| next.announced);
    let away = until.map_or(Micros::MAX, |until| until.saturating_sub(from));
    // A session that was never answered may have been one for the others, or not.
    let certain = session.joined.is_some() && next.is_none_or(|next| next.joined.is_some());
    let (least, most) = match ending {
        Ending::Left => (0, rules.in_flight),
        // The node starts to count when it notices; the client knew before.
        Ending::Cut | Ending::Lost if !killed => {
            (rules.window, rules.window + rules.noticed + rules.late)
        }
        Ending::Cut | Ending::Lost => {
            let since_beat = rules.beat * 12 / 5;
            (
                rules.lease.saturating_sub(since_beat).max(rules.window),
                rules.lease + rules.late,
            )
        }
    };
    let margin = SECOND / 5;
    let allowed = !certain || ending == Ending::Left || away.saturating_add(margin) >= least;
    let (deadline, disturbed) = delayed(session, from, from + most, history, rules);
    let required = certain && until.is_none_or(|until| until > deadline);
    let returns = until.is_some() && away + margin < rules.window;
    let kept = ending != Ending::Left && !killed && !disturbed && returns && certain;
    Some(Absence {
        from,
        until,
        session: session.number,
        leave_from: allowed.then(|| (from + least).saturating_sub(margin)),
        leave_by: required.then_some(deadline),
        kept_from: kept.then_some(from + rules.noticed),
        frozen: false,
    })
}

/// The deadline of a leave, and whether the node that was to tell it was disturbed before. While Redis is away nobody
/// can be left, and afterwards everybody has the whole time again.
fn delayed(
    session: &Session,
    from: Micros,
    mut deadline: Micros,
    history: &History,
    rules: &Rules,
) -> (Micros, bool) {
    let deeds = &history.deeds;
    let (time, mut disturbed) = (deadline - from, false);
    let killed = deeds.killed.iter().map(|&(node, at)| (node, at, at));
    for (node, start, end) in killed.chain(deeds.frozen.iter().copied()) {
        if node == session.node && start <= deadline && end >= from {
            disturbed = true;
            deadline = deadline.max(end + rules.lease + rules.late);
        }
    }
    for &(start, end) in &deeds.outages {
        if start <= deadline && end >= from {
            deadline = deadline.max(end + time.max(rules.lease + rules.late));
        }
    }
    (deadline, disturbed)
}

/// Whether the node of a session that was lost had been killed.
fn died(history: &History, session: &Session) -> bool {
    let mut killed = history.deeds.killed.iter();
    killed.any(|(node, at)| {
        *node == session.node && session.ended.is_some_and(|(ended, _)| ended >= *at)
    })
}

/// Whether something was done that ends a connection.
pub(super) fn explained(history: &History, session: &Session) -> bool {
    let mut severed = history.deeds.severed.iter();
    died(history, session)
        || severed.any(|&(node, at)| {
            node == session.node
                && session
                    .ended
                    .is_some_and(|(ended, _)| (at..at + 5 * SECOND).contains(&ended))
        })
}
