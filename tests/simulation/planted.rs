//! What the simulation must find: each bug is planted, and the seeds that find it are clean without it.

use backplane::store::Defect;

use crate::{
    faults::Mixture,
    node::NativeDefect,
    world::{Plan, run},
};

/// Seeds in which a planted bug must show.
const SEEDS: u64 = 300;

/// Asserts that one of the seeds fails with the bug, and that none up to that one does without.
fn find(plan: Plan) {
    let clean = Plan {
        mixture: plan.mixture,
        natives: plan.natives,
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

/// The same of what is wrong with the nodes' dealings with native peers.
fn find_native(mixture: Mixture, defect: NativeDefect) {
    find(Plan {
        mixture: Some(mixture),
        natives: true,
        native_defect: Some(defect),
        ..Plan::default()
    });
}

#[test]
fn acknowledgements_that_are_lost_are_found() {
    find_native(Mixture::None, NativeDefect::LosesAcks);
}

#[test]
fn a_message_that_is_told_twice_is_found() {
    find_native(Mixture::None, NativeDefect::WritesTwice);
}

#[test]
fn a_request_that_is_forgotten_when_a_peer_has_gone_is_found() {
    find_native(Mixture::Anything, NativeDefect::ForgetsRequests);
}

#[test]
fn a_yes_that_nobody_has_said_is_found() {
    find_native(Mixture::None, NativeDefect::MakesUpAnswers);
}

#[test]
fn an_id_that_anybody_gets_is_found() {
    find_native(Mixture::None, NativeDefect::GuardsNothing);
}

#[test]
fn a_return_that_is_not_told_is_found() {
    find_native(Mixture::None, NativeDefect::HidesReturns);
}

#[test]
fn a_departure_of_who_may_return_is_found() {
    find_native(Mixture::None, NativeDefect::HurriesDepartures);
}
