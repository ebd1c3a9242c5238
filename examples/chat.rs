//! A chat server: what one says, all others hear.
//!
//! ```text
//! cargo run --release --example chat -- 127.0.0.1:4000
//! nc 127.0.0.1 4000
//! ```
//!
//! The first line that a client sends is its name. `/burn` makes the server compute for a second
//! in the client's own task, without an await; nobody else notices. Ctrl-c says goodbye to everybody
//! and waits until they have heard it. Without an address the system chooses a port.

use preempt::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use preempt::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use preempt::net::{TcpListener, TcpStream};
use preempt::select;
use preempt::signal::ctrl_c;
use preempt::sync::broadcast::{self, error::RecvError};
use preempt::sync::watch;
use preempt::task::JoinSet;
use preempt::time::{Duration, timeout};
use std::hint::spin_loop;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

/// How many messages a client may be behind before it misses some.
const BACKLOG: usize = 256;

/// How long a client may take to receive a line before it is put out.
const PATIENCE: Duration = Duration::from_secs(10);

#[preempt::main]
async fn main() -> io::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let listener = TcpListener::bind(addr).await?;
    println!("listening on {}", listener.local_addr()?);
    let (closing, _) = watch::channel(false);
    let (room, _) = broadcast::channel(BACKLOG);
    let mut clients = JoinSet::new();
    // One listener for all turns of the loop, or a signal between two of them would be missed.
    let mut interrupted = pin!(ctrl_c());
    loop {
        select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                clients.spawn(Client::serve(stream, room.clone(), closing.subscribe()));
            }
            // So that the set does not fill with those who have gone.
            Some(_) = clients.join_next() => {}
            interrupted = &mut interrupted => break interrupted?,
        }
    }
    drop(listener);
    closing.send_replace(true);
    let count = clients.len();
    clients.join_all().await;
    println!("said goodbye to {count}");
    Ok(())
}

/// Waits until the server closes. The value stays in here: it is locked while it is looked at.
async fn closed(closing: &mut watch::Receiver<bool>) {
    // An error says that the server is gone altogether.
    let _ = closing.wait_for(|closing| *closing).await;
}

/// What is said in the room.
#[derive(Clone)]
struct Message {
    from: Arc<str>,
    text: Arc<str>,
}

struct Client {
    name: Arc<str>,
    lines: Lines<BufReader<OwnedReadHalf>>,
    write: OwnedWriteHalf,
    room: broadcast::Sender<Message>,
}

impl Client {
    /// A connection, from its begin to its end. Errors end it and concern nobody else.
    async fn serve(
        stream: TcpStream,
        room: broadcast::Sender<Message>,
        closing: watch::Receiver<bool>,
    ) {
        if let Err(error) = Self::talk(stream, room, closing).await {
            eprintln!("a client was lost: {error}");
        }
    }

    async fn talk(
        stream: TcpStream,
        room: broadcast::Sender<Message>,
        mut closing: watch::Receiver<bool>,
    ) -> io::Result<()> {
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        write.write_all(b"your name?\n").await?;
        let name = select! {
            line = lines.next_line() => line?,
            () = closed(&mut closing) => None,
        };
        let Some(name) = name else { return Ok(()) };
        let mut client = Client { name: name.trim().into(), lines, write, room };
        let inbox = client.room.subscribe();
        client.say("has come");
        let ended = client.stay(inbox, closing).await;
        client.say("has gone");
        ended
    }

    /// Until the client goes, or the server closes.
    async fn stay(
        &mut self,
        mut inbox: broadcast::Receiver<Message>,
        mut closing: watch::Receiver<bool>,
    ) -> io::Result<()> {
        self.tell(&format!("* hello {}", self.name)).await?;
        loop {
            select! {
                line = self.lines.next_line() => match line? {
                    Some(line) if line == "/burn" => self.burn().await?,
                    Some(line) => self.say(&line),
                    None => return Ok(()),
                },
                message = inbox.recv() => match message {
                    // One's own. By place, as two may have the same name.
                    Ok(message) if Arc::ptr_eq(&message.from, &self.name) => {}
                    Ok(Message { from, text }) => self.tell(&format!("{from}: {text}")).await?,
                    Err(RecvError::Lagged(count)) => {
                        self.tell(&format!("* you have missed {count} messages")).await?;
                    }
                    Err(RecvError::Closed) => return Ok(()),
                },
                () = closed(&mut closing) => return self.tell("* goodbye").await,
            }
        }
    }

    /// To everybody; nobody hears it if there is nobody.
    fn say(&self, text: &str) {
        let _ = self.room.send(Message { from: self.name.clone(), text: text.into() });
    }

    /// To this client.
    async fn tell(&mut self, line: &str) -> io::Result<()> {
        timeout(PATIENCE, self.write.write_all(format!("{line}\n").as_bytes())).await?
    }

    async fn burn(&mut self) -> io::Result<()> {
        let end = Instant::now() + Duration::from_secs(1);
        while Instant::now() < end {
            spin_loop();
        }
        self.tell("* burnt").await
    }
}
