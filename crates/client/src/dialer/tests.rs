use super::*;

const WINDOW: Duration = Duration::from_secs(8);

fn dialer(nodes: usize) -> (Dialer, Instant) {
    let now = Instant::now();
    (Dialer::new(nodes, now, 0.0), now)
}

#[test]
fn the_first_socket_is_made_at_once_and_the_next_one_to_another_node() {
    let (mut dialer, now) = dialer(3);
    for node in [0, 1, 2, 0] {
        assert_eq!(dialer.handle_timeout(now), Some(Step::Open(node)));
        dialer.lost(now, WINDOW, 0.0);
    }
}

#[test]
fn tries_are_a_second_apart_at_most_while_the_window_runs_and_half_a_minute_after() {
    let (mut dialer, start) = dialer(1);
    let mut now = start;
    let mut delays = Vec::new();
    while now < start + Duration::from_secs(120) {
        let delay = dialer.lost(now, WINDOW, 1.0);
        delays.push((now - start, delay));
        now += delay;
        assert!(matches!(dialer.handle_timeout(now), Some(Step::Open(0))));
    }
    for (since, delay) in &delays {
        let most = match *since < WINDOW {
            true => Duration::from_secs(1),
            false => Duration::from_secs(30),
        };
        assert!(*delay <= most, "{delay:?} after {since:?}");
    }
    assert_eq!(delays[0].1, Duration::from_millis(100));
    assert_eq!(delays.last().unwrap().1, Duration::from_secs(30));
}

#[test]
fn a_loss_after_a_return_is_a_new_one() {
    let (mut dialer, now) = dialer(1);
    for _ in 0..10 {
        dialer.lost(now, WINDOW, 1.0);
    }
    dialer.settled(now);
    let later = now + Duration::from_secs(3600);
    assert_eq!(dialer.lost(later, WINDOW, 1.0), Duration::from_millis(100));
}

#[test]
fn one_that_was_superseded_just_after_it_has_returned_comes_back_once() {
    let second = Duration::from_secs(1);
    let (mut dialer, start) = dialer(1);
    dialer.settled(start);
    assert!(!dialer.superseded(start), "it has lost nothing");
    let mut now = start;
    for is_repeated in [true, false] {
        dialer.lost(now, WINDOW, 1.0);
        now += second;
        dialer.settled(now);
        now += second;
        assert_eq!(dialer.superseded(now), is_repeated);
    }
    // Long after that it may be its own last one again.
    now += REPEAT;
    assert!(!dialer.superseded(now), "it has returned long ago");
    dialer.lost(now, WINDOW, 1.0);
    assert!(dialer.superseded(now + second));
}

#[test]
fn a_socket_that_does_not_open_or_greet_in_five_seconds_is_dropped_once() {
    let (mut dialer, now) = dialer(1);
    dialer.handle_timeout(now);
    let late = now + OPEN_TIMEOUT;
    assert_eq!(dialer.handle_timeout(late - Duration::from_millis(1)), None);
    assert_eq!(dialer.handle_timeout(late), Some(Step::Drop));
    assert_eq!(dialer.handle_timeout(late), None);
    dialer.lost(late, WINDOW, 0.0);
    dialer.handle_timeout(late);
    dialer.opened(late);
    assert_eq!(
        dialer.handle_timeout(late + GREETING_TIMEOUT),
        Some(Step::Drop)
    );
}

#[test]
fn a_silent_socket_is_pinged_and_dropped_when_it_stays_silent() {
    let (mut dialer, now) = dialer(1);
    dialer.handle_timeout(now);
    dialer.opened(now);
    dialer.heard(now);
    assert_eq!(dialer.handle_timeout(now + QUIET), Some(Step::Ping));
    dialer.heard(now + QUIET);
    let later = now + QUIET + QUIET;
    assert_eq!(dialer.handle_timeout(later), Some(Step::Ping));
    assert_eq!(
        dialer.handle_timeout(later + PONG_TIMEOUT),
        Some(Step::Drop)
    );
}

#[test]
fn nothing_follows_when_it_is_closed() {
    let (mut dialer, now) = dialer(1);
    dialer.close();
    assert_eq!(dialer.poll_timeout(), None);
    assert_eq!(dialer.handle_timeout(now + LONGEST_DELAY), None);
}
