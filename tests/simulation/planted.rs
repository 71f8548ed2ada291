//! What the simulation must find: each bug is planted, and the seeds that find it are clean without it.

use backplane::store::Defect;

use crate::{
    faults::Mixture,
    world::{Plan, run},
};

/// Seeds in which a planted bug must show.
const SEEDS: u64 = 300;

/// Asserts that one of the seeds fails with the bug, and that none up to that one does without.
fn find(plan: Plan) {
    let clean = Plan {
        mixture: plan.mixture,
        ..Plan::default()
    };
    for seed in 1..=SEEDS {
        assert_eq!(
            run(seed, clean).violation,
            None,
            "seed {seed} without the bug"
        );
        if let Some(violation) = run(seed, plan).violation {
            println!("seed {seed}: {violation}");
            return;
        }
    }
    panic!("{SEEDS} seeds do not find it: {plan:?}");
}

#[test]
fn a_sweep_that_does_not_look_at_the_lease_again_is_found() {
    find(Plan {
        mixture: Some(Mixture::Zombies),
        defect: Some(Defect::SweepsTheLiving),
        ..Plan::default()
    });
}

#[test]
fn a_departure_that_is_published_twice_is_found() {
    find(Plan {
        mixture: Some(Mixture::None),
        defect: Some(Defect::LeavesTwice),
        ..Plan::default()
    });
}

#[test]
fn what_a_dead_link_carries_late_and_the_store_does_is_found() {
    find(Plan {
        mixture: Some(Mixture::Anything),
        defect: Some(Defect::HearsDeadLinks),
        ..Plan::default()
    });
}

#[test]
fn a_lost_request_to_repeat_a_message_is_found() {
    find(Plan {
        mixture: Some(Mixture::Loss),
        swallows_naks: true,
        ..Plan::default()
    });
}

#[test]
fn rosters_that_are_compared_across_epochs_are_found() {
    find(Plan {
        mixture: Some(Mixture::Flush),
        blind_to_epochs: true,
        ..Plan::default()
    });
}
