//! Of whom the contract's sentences are said: each implementation has the whole suite.

use super::{contract::*, many_rooms::what_holds_for_one_room_holds_for_many, owners::*};

macro_rules! suite {
    ($implementation:ident, $make:expr, [$($sentence:ident),* $(,)?]) => {
        mod $implementation {
            $(
                #[tokio::test]
                async fn $sentence() {
                    super::$sentence(&$make).await;
                }
            )*
        }
    };
}

macro_rules! conforms {
    ($implementation:ident, $make:expr) => {
        suite!(
            $implementation,
            $make,
            [
                a_join_is_answered_with_the_roster_and_told_to_every_node_in_the_room,
                a_roster_comes_only_where_it_is_wanted,
                the_last_node_to_join_holds_the_member,
                a_departure_is_told_once_however_often_it_is_said,
                a_departure_says_why,
                an_empty_room_begins_a_new_epoch,
                payloads_arrive_in_order_at_one_node_or_at_several_in_the_room,
                a_forgotten_room_is_heard_of_no_more,
                what_a_node_asserts_is_what_the_roster_has_of_it,
                an_asserted_claim_keeps_its_fence_where_the_roster_has_none,
                a_claim_with_new_data_gets_a_new_fence,
                a_node_confirms_what_it_has_in_a_room,
                a_claim_older_than_the_roster_s_is_not_asserted,
                a_node_that_is_gone_has_left_every_room_once,
                a_full_queue_loses_counts_and_reports_a_gap,
                a_payload_that_does_not_fit_is_lost_and_counted,
                a_node_that_forgets_a_room_and_joins_it_again_hears_of_it,
                a_node_that_asserts_nothing_hears_who_comes_and_goes,
                it_says_when_it_works,
                a_name_with_an_owner_is_not_taken_by_another,
                the_owner_takes_its_name_again_from_another_node,
                a_name_without_an_owner_is_taken_by_anybody,
                a_guarded_name_is_free_when_its_member_has_left,
                a_guarded_name_is_free_when_its_node_is_gone,
                an_assert_of_a_claim_that_was_not_seen_takes_no_name_of_another_owner,
                a_refused_join_keeps_no_room_in_the_queue,
                who_is_refused_hears_of_the_room_until_forgetting_it,
                what_holds_for_one_room_holds_for_many,
            ]
        );
    };
}

conforms!(memory, crate::Memory::default());
conforms!(one_redis, crate::redis::tests::one());
conforms!(three_redis, crate::redis::tests::three());
conforms!(redis_cluster, crate::redis::tests::cluster());
conforms!(redis_sentinel, crate::redis::tests::sentinel());
