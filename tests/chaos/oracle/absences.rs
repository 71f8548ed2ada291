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
    /// Its node was frozen, or cut off alone, for longer than the lease; its connection was not lost.
    pub(super) frozen: bool,
}

impl Absences {
    pub(super) fn of(life: &Life, history: &History, rules: &Rules) -> Self {
        let mut absences = Vec::new();
        for (n, session) in life.sessions.iter().enumerate() {
            if let Some(absence) = of_session(life, n, session, history, rules) {
                absences.push(absence);
            }
            for &(node, from, to) in &history.deeds.isolated {
                let there = session.announced < from
                    && session.ended.is_none_or(|(ended, _)| ended > to)
                    && session.node == node;
                if there {
                    absences.push(Absence {
                        from,
                        until: Some(to),
                        session: session.number,
                        leave_from: Some(from + least_of_a_lease(rules)),
                        leave_by: Some(from + rules.lease + rules.late),
                        kept_from: None,
                        frozen: true,
                    });
                }
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
    let killing = killing(history, session).filter(|_| ending == Ending::Lost);
    let killed = killing.is_some();
    // A node is dead before its clients know.
    let since = killing.unwrap_or(from);
    let next = life.sessions.get(n + 1);
    let until = next.map(|next| next.announced);
    let away = until.map_or(Micros::MAX, |until| until.saturating_sub(since));
    // A session that was never answered may have been one for the others, or not.
    let certain = session.joined.is_some() && next.is_none_or(|next| next.joined.is_some());
    let (least, most) = match ending {
        Ending::Left => (0, rules.in_flight),
        // The node starts to count when it notices; the client knew before.
        Ending::Cut | Ending::Lost if !killed => {
            (rules.window, rules.window + rules.noticed + rules.late)
        }
        Ending::Cut | Ending::Lost => {
            let least = least_of_a_lease(rules).max(rules.window);
            (least, rules.lease + rules.late)
        }
    };
    let margin = SECOND / 5;
    let allowed = !certain || ending == Ending::Left || away.saturating_add(margin) >= least;
    let (deadline, disturbed) = delayed(session, since, since + most, history, rules);
    let required = certain && until.is_none_or(|until| until > deadline);
    let returns = until.is_some() && away + margin < rules.window;
    // While Redis is away the node that was left does not know where its peer is, and what is said is for that one still.
    let unfound = next.and_then(|next| unfound(session, from, next, history, rules));
    let kept = ending != Ending::Left && !killed && !disturbed && returns && certain;
    let kept = kept && unfound.is_none();
    Some(Absence {
        from,
        until: until.map(|until| until.max(unfound.unwrap_or(0))),
        session: session.number,
        leave_from: allowed.then(|| (since + least).saturating_sub(margin)),
        leave_by: required.then_some(deadline),
        kept_from: kept.then_some(from + rules.noticed),
        frozen: false,
    })
}

/// What is left of a node's lease, at least, when it is lost.
fn least_of_a_lease(rules: &Rules) -> Micros {
    rules.lease.saturating_sub(rules.beat * 12 / 5)
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

/// Until when a peer that went to another node has not been found there, where its window ended before.
fn unfound(
    session: &Session,
    from: Micros,
    next: &Session,
    history: &History,
    rules: &Rules,
) -> Option<Micros> {
    let outages = history.deeds.outages.iter();
    let hid = outages.filter(|(start, end)| {
        session.node != next.node
            && *start <= next.announced + rules.in_flight
            && *end >= from
            && *end + rules.in_flight >= from + rules.window
    });
    hid.map(|(_, end)| *end).max()
}

/// When the node of a session that was lost had been killed, or when the session began after.
fn killing(history: &History, session: &Session) -> Option<Micros> {
    let (ended, _) = session.ended?;
    let mut killed = history.deeds.killed.iter();
    let (_, at) = killed.find(|(node, at)| *node == session.node && ended >= *at)?;
    Some((*at).max(session.announced))
}

/// Whether something was done that ends a connection.
pub(super) fn explained(history: &History, session: &Session) -> bool {
    let mut severed = history.deeds.severed.iter();
    killing(history, session).is_some()
        || severed.any(|&(node, at)| {
            node == session.node
                && session
                    .ended
                    .is_some_and(|(ended, _)| (at..at + 5 * SECOND).contains(&ended))
        })
}
