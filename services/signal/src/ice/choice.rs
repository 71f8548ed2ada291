//! Which relays of the fleet a client is told.

use backplane::fleet::Relay;

/// Most relays of the node's own region.
const OF_REGION: usize = 2;

/// At most `places` relays of those for which `is_ours` holds: two of `region`, each the less loaded of two that were
/// drawn, and one of another region; two of others where `region` has none. Never one that drains, is full or is
/// reached in no way. `draw(n)` is a random number below `n`.
///
/// Two draws spread clients nearly as well as a look at every relay would, and do not send all of them to the one
/// whose load was told last.
pub(super) fn choose<'a>(
    relays: &'a [Relay],
    region: &str,
    places: usize,
    is_ours: impl Fn(&Relay) -> bool,
    draw: &mut impl FnMut(usize) -> usize,
) -> Vec<&'a Relay> {
    let (mut near, mut far): (Vec<_>, Vec<_>) = relays
        .iter()
        .filter(|relay| is_open(relay) && is_ours(relay))
        .partition(|relay| relay.region == region);
    let mut chosen = Vec::new();
    while chosen.len() < places.min(OF_REGION)
        && let Some(relay) = take_one(&mut near, draw)
    {
        forget_the_same(&mut near, relay);
        chosen.push(relay);
    }
    let of_others = if chosen.is_empty() { OF_REGION } else { 1 };
    let places = places.min(chosen.len() + of_others);
    while chosen.len() < places
        && let Some(relay) = take_one(&mut far, draw)
    {
        forget_the_same(&mut far, relay);
        chosen.push(relay);
    }
    chosen
}

fn is_open(relay: &Relay) -> bool {
    !relay.draining && relay.load < relay.capacity && !relay.urls.is_empty()
}

/// One that was started again is listed twice until its first lease is over.
fn forget_the_same(pool: &mut Vec<&Relay>, chosen: &Relay) {
    pool.retain(|other| other.urls != chosen.urls);
}

/// Draws two, and takes the one that is less loaded for its capacity.
fn take_one<'a>(
    from: &mut Vec<&'a Relay>,
    draw: &mut impl FnMut(usize) -> usize,
) -> Option<&'a Relay> {
    if from.is_empty() {
        return None;
    }
    let first = draw(from.len());
    if from.len() == 1 {
        return Some(from.swap_remove(first));
    }
    // Another one than the first.
    let second = (first + 1 + draw(from.len() - 1)) % from.len();
    let load = |at: usize, of: usize| u64::from(from[at].load) * u64::from(from[of].capacity);
    let better = match load(first, second) <= load(second, first) {
        true => first,
        false => second,
    };
    Some(from.swap_remove(better))
}

/// Numbers below what is asked for, from one that is random.
pub(super) fn draws(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed;
    move |bound| {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = state;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^= number >> 31;
        let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
        usize::try_from(number % bound).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn relay(id: usize, region: &str, load: u32, draining: bool) -> Relay {
        Relay {
            id: id.to_string(),
            region: region.to_owned(),
            urls: vec![format!("turn:{id}.example")],
            secrets: vec![],
            load,
            capacity: 100,
            draining,
        }
    }

    fn fleets() -> impl Strategy<Value = Vec<Relay>> {
        let one = (
            prop_oneof!["eu", "us", "ap"],
            0u32..=100,
            prop::bool::weighted(0.2),
        );
        prop::collection::vec(one, 0..12).prop_map(|fleet| {
            let fleet = fleet.into_iter().enumerate();
            let fleet =
                fleet.map(|(id, (region, load, draining))| relay(id, &region, load, draining));
            fleet.collect()
        })
    }

    fn ours(relay: &Relay) -> bool {
        !relay.id.ends_with('7')
    }

    proptest! {
        #[test]
        fn two_of_the_region_and_one_of_another_and_never_one_that_is_not_open(
            fleet in fleets(),
            places in 0usize..=3,
            seed: u64,
        ) {
            let open = |relay: &&Relay| !relay.draining && relay.load < 100 && ours(relay);
            let near = fleet.iter().filter(open).filter(|relay| relay.region == "eu").count();
            let far = fleet.iter().filter(open).count() - near;
            let chosen = choose(&fleet, "eu", places, ours, &mut draws(seed));
            prop_assert!(chosen.iter().all(open));
            let distinct: BTreeSet<_> = chosen.iter().map(|relay| &relay.id).collect();
            prop_assert_eq!(distinct.len(), chosen.len());
            let chosen_near = chosen.iter().filter(|relay| relay.region == "eu").count();
            let wanted_near = near.min(2).min(places);
            prop_assert_eq!(chosen_near, wanted_near);
            let wanted_far = far.min(if near == 0 { 2 } else { 1 }).min(places - wanted_near);
            prop_assert_eq!(chosen.len() - chosen_near, wanted_far);
            // Those of the region come first.
            prop_assert!(chosen.is_sorted_by_key(|relay| relay.region != "eu"));
        }

        #[test]
        fn the_most_loaded_of_the_region_is_never_first(
            loads in prop::collection::btree_set(0u32..100, 2..8),
            seed: u64,
        ) {
            let fleet: Vec<_> = loads.iter().map(|load| relay(*load as usize, "eu", *load, false)).collect();
            let chosen = choose(&fleet, "eu", 3, |_| true, &mut draws(seed));
            prop_assert_ne!(Some(&chosen[0].load), loads.last());
        }
    }

    #[test]
    fn a_relay_that_was_started_again_is_told_once() {
        let mut again = relay(1, "eu", 0, false);
        again.id = "another".to_owned();
        let fleet = [relay(1, "eu", 0, false), again, relay(2, "eu", 0, false)];
        for seed in 0..100 {
            let chosen = choose(&fleet, "eu", 3, |_| true, &mut draws(seed));
            assert_eq!(chosen.len(), 2);
            assert_ne!(chosen[0].urls, chosen[1].urls);
        }
    }

    #[test]
    fn a_load_is_measured_by_its_capacity() {
        let mut big = relay(1, "eu", 60, false);
        big.capacity = 1000;
        let fleet = [big, relay(2, "eu", 50, false)];
        for seed in 0..100 {
            let chosen = choose(&fleet, "eu", 3, |_| true, &mut draws(seed));
            assert_eq!(chosen[0].id, "1");
        }
    }

    #[test]
    fn equal_relays_get_equal_shares() {
        let fleet: Vec<_> = (0..5).map(|id| relay(id, "eu", 0, false)).collect();
        let mut shares: BTreeMap<&str, u32> = BTreeMap::new();
        for seed in 0..10_000u64 {
            let chosen = choose(&fleet, "eu", 1, |_| true, &mut draws(seed));
            *shares.entry(&chosen[0].id).or_default() += 1;
        }
        assert_eq!(shares.len(), 5);
        // Of 2 000 each; fifteen times the deviation that chance has.
        assert!(
            shares.values().all(|share| (1400..2600).contains(share)),
            "{shares:?}"
        );
    }
}
