//! Two peers find each other through the nodes that are named, and talk over a data channel.
//!
//! ```text
//! trunkline dev &
//! cargo run --release -p client --example couple -- ws://127.0.0.1:8080
//! ```

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

#[path = "couple/channel.rs"]
mod channel;

use std::time::Duration;

use channel::{Channel, Error};
use client::{Client, Event, Events, Json, Options, PeerId, RoomId, Said, Wanted, connect};

/// How long each side may take.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let urls: Vec<String> = std::env::args().skip(1).collect();
    let room = format!("couple-{}", std::process::id());
    let enter = |name: &str| {
        let mut options = Options::new(RoomId::new(room.clone()).map_err(wrong)?);
        options.peer = Some(PeerId::new(name.to_owned()).map_err(wrong)?);
        connect(&urls, options).map_err(Error::from)
    };
    let (sue, sue_hears) = enter("sue")?;
    let (bob, bob_hears) = enter("bob")?;
    sue.announce(Json::new(r#"{"role":"callee"}"#)?).await?;
    bob.announce(Json::new(r#"{"role":"caller"}"#)?).await?;
    let (called, calls) = tokio::try_join!(answer(&sue, sue_hears), call(&bob, bob_hears))?;
    println!("bob heard {calls:?}, sue heard {called:?}");
    bob.close().await;
    sue.close().await;
    Ok(())
}

async fn call(client: &Client, mut events: Events) -> Result<String, Error> {
    let wanted = Wanted::Match(Json::new(r#"{"role":"callee"}"#)?);
    let (peer, _) = client.request(wanted, None).await?;
    println!("bob has found {peer}");
    let mut channel = Channel::new().await?;
    let offer = channel.offer()?;
    tell(client, &peer, "description", &offer).await?;
    let candidate = channel.candidate()?;
    tell(client, &peer, "candidate", &candidate).await?;
    let answer = hear(&mut events, "description").await?.1;
    channel.accept(&answer)?;
    channel.add_candidate(&hear(&mut events, "candidate").await?.1)?;
    channel.exchange("hello, sue", PATIENCE).await
}

async fn answer(client: &Client, mut events: Events) -> Result<String, Error> {
    let mut channel = Channel::new().await?;
    let (peer, offer) = hear(&mut events, "description").await?;
    let answer = channel.answer(&offer)?;
    tell(client, &peer, "description", &answer).await?;
    let candidate = channel.candidate()?;
    tell(client, &peer, "candidate", &candidate).await?;
    channel.add_candidate(&hear(&mut events, "candidate").await?.1)?;
    channel.exchange("hello, bob", PATIENCE).await
}

/// Says `{"kind":"text"}`.
async fn tell(client: &Client, to: &PeerId, kind: &str, text: &str) -> Result<(), Error> {
    let body = serde_json::json!({ kind: text }).to_string();
    client.send(to.clone(), Json::new(&body)?).await?;
    Ok(())
}

/// The next message, which is to be of this kind, and who has said it.
async fn hear(events: &mut Events, kind: &str) -> Result<(PeerId, String), Error> {
    while let Some(event) = events.next().await {
        if let Event::Message(Said { from, body, .. }) = event {
            let body: serde_json::Value = serde_json::from_str(body.as_str())?;
            let text = body[kind].as_str().ok_or("another word was expected")?;
            return Ok((from, text.to_owned()));
        }
    }
    Err("the client has ended".into())
}

fn wrong(error: impl std::fmt::Debug) -> Error {
    format!("{error:?}").into()
}
