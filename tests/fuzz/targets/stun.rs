//! One datagram, of a stranger, of a client that holds an allocation, or of its peer: the first byte says whose, and
//! whether RFC 5780 is understood.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stun::message::{METHOD_ALLOCATE, METHOD_CHANNEL_BIND, METHOD_CREATE_PERMISSION};
use trunkline_fuzz::{
    messages::{add_channel, add_peer, add_transport, request},
    places::{client, peer},
    settings::WITHOUT_DISCOVERY,
    world::World,
};

const ALICE: u8 = 0;

fuzz_target!(|input: &[u8]| {
    let Some((whose, datagram)) = input.split_first() else {
        return;
    };
    let discovery = if whose & 4 == 0 { WITHOUT_DISCOVERY } else { 0 };
    let mut world = World::new([0, discovery]);
    match whose % 4 {
        0 => {
            world.receive(client(0), datagram);
            assert_eq!(world.allocations(), 0, "a stranger is remembered");
        }
        1 => {
            allocate(&mut world);
            world.receive(client(0), datagram);
        }
        from_peer => {
            allocate(&mut world);
            // The first peer has a channel, the third a permission only.
            let source = peer(if from_peer == 2 { 0 } else { 2 });
            world.receive_from_peer(0, source, datagram);
        }
    }
});

fn allocate(world: &mut World) {
    let mut allocate = request(METHOD_ALLOCATE, 1);
    add_transport(&mut allocate);
    assert!(world.ask(client(0), ALICE, allocate));
    world.answer_open(0, None);
    let mut permit = request(METHOD_CREATE_PERMISSION, 2);
    add_peer(&mut permit, peer(2));
    world.ask(client(0), ALICE, permit);
    let mut bind = request(METHOD_CHANNEL_BIND, 3);
    add_channel(&mut bind, 0x4000);
    add_peer(&mut bind, peer(0));
    world.ask(client(0), ALICE, bind);
    assert_eq!(world.allocations(), 1);
}
