//! Commands on their way.

use redis::cmd;
use tokio::task::coop::{consume_budget, has_budget_remaining};

use super::{
    super::lane::Lane,
    client::link,
    servers::{ONE, own_prefix},
};

/// Appends to a list in ten batches, when the task has so much of its turn left; what the list holds then.
async fn append(left: u32) -> Vec<u32> {
    let prefix = own_prefix();
    let link = link(&ONE.url(), &prefix).await.unwrap();
    let key = format!("{prefix}list");
    let mut lane = Lane::new(link.server.commands.clone());
    for number in 0..128 * 10 {
        let mut command = cmd("RPUSH");
        command.arg(&key).arg(number);
        lane.push(command, number);
    }
    // A task's turn is 128 units.
    tokio::task::yield_now().await;
    for _ in left..128 {
        if has_budget_remaining() {
            consume_budget().await;
        }
    }
    let mut done = 0;
    while done < 128 * 10 {
        done += lane.next().await.0.len();
    }
    let mut connection = link.server.commands.clone();
    let mut all = cmd("LRANGE");
    all.arg(&key).arg(0).arg(-1);
    all.query_async(&mut connection).await.unwrap()
}

#[tokio::test]
async fn batches_keep_their_order_however_little_of_its_turn_a_task_has_left() {
    for left in 0..12 {
        let done = tokio::spawn(append(left)).await.unwrap();
        assert!(done.is_sorted(), "with {left} left");
    }
}
