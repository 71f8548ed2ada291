//! One end of a data channel: str0m, and a UDP socket on loopback.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use str0m::{
    Candidate, Event, Input, Output, Rtc, RtcError,
    change::{SdpAnswer, SdpOffer, SdpPendingOffer},
    channel::ChannelId,
    net::{Protocol, Receive},
};
use tokio::{net::UdpSocket, time::timeout_at};

/// What goes wrong here, none of which is handled.
pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

/// For how long an end stays after it has heard and said everything: the other may not have got it.
const LINGER: Duration = Duration::from_secs(1);

/// Longest datagram.
const MTU: usize = 2000;

#[derive(Debug)]
pub(crate) struct Channel {
    rtc: Rtc,
    socket: UdpSocket,
    local: SocketAddr,
    pending: Option<SdpPendingOffer>,
}

impl Channel {
    pub(crate) async fn new() -> Result<Self, Error> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let local = socket.local_addr()?;
        let provider = str0m::crypto::from_feature_flags();
        let rtc = Rtc::builder().set_crypto_provider(provider.into());
        Ok(Self {
            rtc: rtc.build(Instant::now()),
            socket,
            local,
            pending: None,
        })
    }

    /// Offers a channel; gives the description.
    pub(crate) fn offer(&mut self) -> Result<String, Error> {
        let mut changes = self.rtc.sdp_api();
        changes.add_channel("couple".to_owned());
        let (offer, pending) = changes.apply().ok_or("nothing to offer")?;
        self.pending = Some(pending);
        Ok(offer.to_sdp_string())
    }

    /// Takes what the other end offers; gives the answer.
    pub(crate) fn answer(&mut self, offer: &str) -> Result<String, Error> {
        let offer = SdpOffer::from_sdp_string(offer)?;
        let answer = self.rtc.sdp_api().accept_offer(offer)?;
        Ok(answer.to_sdp_string())
    }

    /// Takes the other end's answer.
    pub(crate) fn accept(&mut self, answer: &str) -> Result<(), Error> {
        let answer = SdpAnswer::from_sdp_string(answer)?;
        let pending = self.pending.take().ok_or("nothing was offered")?;
        self.rtc.sdp_api().accept_answer(pending, answer)?;
        Ok(())
    }

    /// Where this end can be reached, for the other one.
    pub(crate) fn candidate(&mut self) -> Result<String, Error> {
        let candidate = Candidate::host(self.local, "udp")?;
        let text = candidate.to_sdp_string();
        self.rtc.add_local_candidate(candidate);
        Ok(text)
    }

    /// Where the other end can be reached.
    pub(crate) fn add_candidate(&mut self, candidate: &str) -> Result<(), Error> {
        let candidate = Candidate::from_sdp_string(candidate)?;
        self.rtc.add_remote_candidate(candidate);
        Ok(())
    }

    /// Says something as soon as the channel is open; gives what the other end has said.
    ///
    /// # Errors
    /// When either has not come to pass within `patience`.
    pub(crate) async fn exchange(mut self, say: &str, patience: Duration) -> Result<String, Error> {
        let mut end = Instant::now() + patience;
        let (mut has_said, mut heard) = (false, None);
        let mut open = None;
        loop {
            if let (Some(id), false) = (open, has_said) {
                has_said = self.write(id, say)?;
            }
            let next = self.drain(&mut open, &mut heard).await?;
            if has_said && heard.is_some() {
                end = end.min(Instant::now() + LINGER);
            }
            let mut datagram = [0; MTU];
            let received = self.socket.recv_from(&mut datagram);
            let received = timeout_at(next.min(end).into(), received).await;
            let now = Instant::now();
            match received {
                Ok(received) => {
                    let (length, source) = received?;
                    let contents = datagram[..length].try_into()?;
                    self.rtc.handle_input(Input::Receive(
                        now,
                        Receive {
                            proto: Protocol::Udp,
                            source,
                            destination: self.local,
                            contents,
                        },
                    ))?;
                }
                Err(_) if now >= end => {
                    return heard.ok_or_else(|| "no word through the channel in time".into());
                }
                Err(_) => self.rtc.handle_input(Input::Timeout(now))?,
            }
        }
    }

    fn write(&mut self, id: ChannelId, say: &str) -> Result<bool, RtcError> {
        match self.rtc.channel(id) {
            Some(mut channel) => channel.write(false, say.as_bytes()),
            None => Ok(false),
        }
    }

    /// Does all that is to be done now; gives when there is more.
    async fn drain(
        &mut self,
        open: &mut Option<ChannelId>,
        heard: &mut Option<String>,
    ) -> Result<Instant, Error> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(at) => return Ok(at),
                Output::Transmit(datagram) => {
                    let sent = self
                        .socket
                        .send_to(&datagram.contents, datagram.destination);
                    // One that is lost is sent again.
                    let _ = sent.await;
                }
                Output::Event(event) => {
                    if let Event::ChannelOpen(id, _) = &event {
                        *open = Some(*id);
                    }
                    if let Event::ChannelData(data) = event {
                        *heard = Some(String::from_utf8(data.data)?);
                    }
                }
            }
        }
    }
}
