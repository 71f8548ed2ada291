use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};

use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// After so many milliseconds.
    Start(u64),
    /// The timer that is at this place among those that run.
    Stop(usize),
    /// So many milliseconds pass, and what is due is taken.
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    // Within a tick, within the wheel, and beyond it.
    let duration = prop_oneof![0_u64..3_000, 0_u64..4_000_000, 0_u64..40_000_000];
    prop_oneof![
        4 => duration.clone().prop_map(Step::Start),
        2 => any::<usize>().prop_map(Step::Stop),
        2 => duration.prop_map(Step::Pass),
    ]
}

#[expect(clippy::disallowed_methods, reason = "virtual time starts somewhere")]
fn start() -> Instant {
    Instant::now()
}

proptest! {
    #[test]
    fn timers_are_taken_once_in_their_order_and_never_early_or_late(steps in vec(step(), 0..200)) {
        let mut now = start();
        let mut wheel = TimerWheel::new();
        let mut model: BTreeMap<(Instant, usize), TimerId> = BTreeMap::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Start(after) => {
                    let at = now + Duration::from_millis(after);
                    model.insert((at, number), wheel.start((at, number), at, now));
                }
                Step::Stop(place) => {
                    let place = place.checked_rem(model.len());
                    let key = place.and_then(|place| model.keys().nth(place).copied());
                    if let Some(timer) = key.and_then(|key| model.remove(&key)) {
                        wheel.stop(timer);
                    }
                }
                Step::Pass(duration) => {
                    now += Duration::from_millis(duration);
                    let mut taken = Vec::new();
                    while let Some(key) = wheel.take_due(now) {
                        taken.push(key);
                    }
                    prop_assert!(taken.is_sorted_by_key(|(at, _)| *at));
                    taken.sort_unstable();
                    let later = model.split_off(&(now, usize::MAX));
                    let due: Vec<_> = model.into_keys().collect();
                    model = later;
                    prop_assert_eq!(taken, due);
                }
            }
            // It may be early, but never late, and says nothing only when there is nothing.
            let first = model.keys().next().map(|(at, _)| *at);
            prop_assert_eq!(wheel.first().is_some(), first.is_some());
            prop_assert!(wheel.first() <= first);
        }
    }

    #[test]
    fn waking_when_it_says_so_brings_every_timer_in_few_wakes(
        durations in vec(0_u64..20_000_000, 1..100),
    ) {
        let mut now = start();
        let mut wheel = TimerWheel::new();
        for (number, duration) in durations.iter().enumerate() {
            wheel.start(number, now + Duration::from_millis(*duration), now);
        }
        let (mut wakes, mut taken) = (0, 0);
        while let Some(at) = wheel.first() {
            now = now.max(at);
            wakes += 1;
            while wheel.take_due(now).is_some() {
                taken += 1;
            }
        }
        prop_assert_eq!(taken, durations.len());
        // Each once, and once more for each turn of the wheel that it was ahead.
        prop_assert!(wakes <= durations.len() * 6);
    }
}
