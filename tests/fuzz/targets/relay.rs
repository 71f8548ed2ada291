//! The whole state machine: any sequence of inputs on a few 5-tuples, at two relays of one process.

#![no_main]

use std::time::Duration;

use arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use relay::{ConnectFailure, Drain, Refusal};
use trunkline_fuzz::{
    login,
    messages::{
        Signature, add_attributes, add_fingerprint, bytes, channel, channel_data, method, request,
        send_indication, sign,
    },
    places::{client, peer},
    world::World,
};

fuzz_target!(|input: &[u8]| {
    let mut u = Unstructured::new(input);
    let mut world = World::new(u.arbitrary().unwrap_or_default());
    while !u.is_empty() && step(&mut world, &mut u).is_ok() {}
    world.end();
});

/// One input; each is one byte for its kind, and what it needs. The seeds in `corpora/relay` are written by hand.
fn step(world: &mut World, u: &mut Unstructured<'_>) -> Result<()> {
    match u.arbitrary::<u8>()? % 21 {
        0 => ask(world, u)?,
        1 => {
            let (client, datagram) = (client(u.arbitrary()?), bytes(u)?);
            world.receive(client, datagram);
        }
        2 => {
            let (client, peer) = (client(u.arbitrary()?), peer(u.arbitrary()?));
            world.receive(client, &send_indication(peer, bytes(u)?).raw);
        }
        3 => {
            let (client, number) = (client(u.arbitrary()?), channel(u)?);
            world.receive(client, &channel_data(number, bytes(u)?));
        }
        4 => {
            let (index, peer) = (u.arbitrary()?, peer(u.arbitrary()?));
            world.receive_from_peer(index, peer, bytes(u)?);
        }
        5 => world.wait(Duration::from_secs(u.arbitrary::<u16>()?.into())),
        6 => world.wait(Duration::from_millis(u.arbitrary::<u16>()?.into())),
        7 => world.handle_timeout(),
        8 => world.answer_open(u.arbitrary()?, refusal(u)?),
        9 => world.answer_again(u.arbitrary()?, refusal(u)?),
        10 => world.configure(0, u.arbitrary()?),
        11 => drain(world, u)?,
        12 => {
            let (peer, kind, code) = (peer(u.arbitrary()?), u.arbitrary()?, u.arbitrary()?);
            world.receive_icmp(u.arbitrary()?, peer, kind, code);
        }
        13 => world.answer_connect(u.arbitrary()?, failure(u)?),
        14 => world.answer_connect_again(u.arbitrary()?),
        15 => world.answer_bind(u.arbitrary()?, u.arbitrary::<u8>()? % 4 == 3),
        16 => world.receive_connection(u.arbitrary()?, peer(u.arbitrary()?)),
        17 => world.disconnect(client(u.arbitrary()?)),
        18 => world.kick(u.arbitrary()?, u.arbitrary::<u16>()?.into()),
        19 => world.end_one(u.arbitrary()?, u.arbitrary::<u8>()? % 4 == 3),
        _ => world.configure(1, u.arbitrary()?),
    }
    Ok(())
}

/// A request that is well-formed, and mostly signed well.
fn ask(world: &mut World, u: &mut Unstructured<'_>) -> Result<()> {
    let (client, user, flags) = (client(u.arbitrary()?), u.arbitrary()?, u.arbitrary::<u8>()?);
    let mut message = request(method(u.arbitrary()?), u.arbitrary()?);
    let told = world.told.clone();
    add_attributes(&mut message, &told, u)?;
    if flags & 1 == 0 {
        let nonce = match flags & 2 {
            0 => world.nonce(client),
            _ => b"AAAAAAAAAAA".to_vec(),
        };
        let signature = match flags & 0x30 {
            0x10 => Signature::Sha256,
            0x20 => Signature::Sha256AndUserhash,
            _ => Signature::Sha1,
        };
        sign(&mut message, login(user), &nonce, signature);
    }
    if flags & 4 != 0 {
        add_attributes(&mut message, &told, u)?;
    }
    if flags & 8 != 0 {
        add_fingerprint(&mut message);
    }
    world.receive(client, &message.raw);
    Ok(())
}

fn drain(world: &mut World, u: &mut Unstructured<'_>) -> Result<()> {
    let flags = u.arbitrary::<u8>()?;
    let seconds = u64::from(u.arbitrary::<u16>()?);
    let drain = Drain {
        until: (flags & 0x40 == 0).then(|| world.now.monotonic + Duration::from_secs(seconds)),
        alternates: (0..flags % 4).map(peer).collect(),
    };
    world.drain((flags & 0x80 == 0).then_some(&drain));
    Ok(())
}

fn refusal(u: &mut Unstructured<'_>) -> Result<Option<Refusal>> {
    Ok(match u.arbitrary::<u8>()? % 4 {
        2 => Some(Refusal::QuotaReached),
        3 => Some(Refusal::InsufficientCapacity),
        _ => None,
    })
}

fn failure(u: &mut Unstructured<'_>) -> Result<Option<ConnectFailure>> {
    Ok(match u.arbitrary::<u8>()? % 8 {
        5 => Some(ConnectFailure::AlreadyExists),
        6 => Some(ConnectFailure::TimeoutOrFailure),
        7 => Some(ConnectFailure::InsufficientCapacity),
        _ => None,
    })
}
