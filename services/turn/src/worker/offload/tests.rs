use std::time::Duration;

use super::*;
use crate::worker::batch::Egress;

fn group(contents: &[u8], size: usize) -> Group<'_> {
    Group {
        egress: Egress::Listener(0),
        to: (Ipv4Addr::LOCALHOST, 1).into(),
        contents,
        size,
        messages: contents.chunks(size).count() as u64,
        relaying: 0,
        data: 0,
    }
}

/// `EIO`: the device cannot divide.
fn cannot() -> io::Result<()> {
    Err(io::Error::from_raw_os_error(5))
}

#[test]
fn what_cannot_be_divided_goes_one_by_one_and_nothing_is_lost() {
    let mut sent = Vec::new();
    let outcome = send(&group(&[7; 25], 10), |contents, size| match size {
        Some(_) => cannot(),
        None => {
            sent.push(contents.len());
            Ok(())
        }
    });
    assert_eq!(outcome, Outcome::Divided(3));
    assert_eq!(sent, [10, 10, 5]);
}

#[test]
fn when_there_is_no_room_the_group_is_lost_and_nothing_is_tried_again() {
    let mut tries = 0;
    let outcome = send(&group(&[7; 20], 10), |_, _| {
        tries += 1;
        Err(io::ErrorKind::WouldBlock.into())
    });
    assert_eq!((outcome, tries), (Outcome::Sent(0), 1));
}

#[test]
fn an_error_that_is_told_late_costs_nothing_and_no_room_is_not_waited_for() {
    let mut late = Some(io::ErrorKind::ConnectionRefused);
    let group = group(&[7; 20], 10);
    let outcome = send(&group, |_, _| {
        twice(|| late.take().map_or(Ok(()), |kind| Err(kind.into())))
    });
    assert_eq!((outcome, late), (Outcome::Sent(2), None));
    let mut tries = 0;
    let no_room = twice(|| -> io::Result<()> {
        tries += 1;
        Err(io::ErrorKind::WouldBlock.into())
    });
    assert!(no_room.is_err() && tries == 1);
}

#[test]
fn after_some_failures_in_a_row_each_goes_by_itself() {
    let mut offload = Offload::new(false).unwrap();
    let before = offload.limits().segments;
    for _ in 1..MAX_FAILURES {
        offload.count(&group(&[7; 20], 10), Outcome::Divided(2));
    }
    // One that works in between: that was one way's fault.
    offload.count(&group(&[7; 20], 10), Outcome::Sent(2));
    for _ in 1..MAX_FAILURES {
        offload.count(&group(&[7; 20], 10), Outcome::Divided(2));
    }
    // Says nothing about it.
    offload.count(&group(&[7; 10], 10), Outcome::Sent(1));
    for _ in 0..MAX_FAILURES {
        // Nobody can be sent to there, and this way's packets are smaller.
        offload.count(&group(&[7; 20], 10), Outcome::Divided(0));
        offload.count(&group(&[7; 2800], 1400), Outcome::Divided(2));
    }
    assert_eq!(offload.limits().segments, before);
    offload.count(&group(&[7; 20], 10), Outcome::Divided(2));
    assert_eq!(offload.limits().segments, 1);
}

#[test]
fn the_kernel_divides_what_is_sent_as_one() {
    let receiver = StdUdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    receiver
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let mut offload = Offload::new(false).unwrap();
    let contents: Vec<u8> = (0..25).collect();
    let group = Group {
        to: receiver.local_addr().unwrap(),
        ..group(&contents, 10)
    };
    assert_eq!(offload.send(&sender, &group), 3);
    if cfg!(target_os = "linux") {
        // Not one by one: Linux has divided since 4.18.
        assert_eq!((offload.failures, offload.segments > 1), (0, true));
    }
    let mut buffer = [0; 100];
    for expected in contents.chunks(10) {
        let length = receiver.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], expected);
    }
}
