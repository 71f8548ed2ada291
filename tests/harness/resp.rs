use std::{
    io::{BufRead, BufReader, Error, ErrorKind, Read, Write},
    net::TcpStream,
};

use crate::PATIENCE;

/// What Redis answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// A string of either kind.
    Text(String),
    /// A number.
    Number(i64),
    /// Several answers.
    List(Vec<Self>),
    /// No answer.
    Nothing,
    /// An error, in Redis's words.
    Error(String),
}

impl Reply {
    /// The string it is.
    #[track_caller]
    pub fn text(self) -> String {
        let Self::Text(text) = self else {
            panic!("a string was expected: {self:?}");
        };
        text
    }

    /// The answers it is made of.
    #[track_caller]
    pub fn list(self) -> Vec<Self> {
        let Self::List(list) = self else {
            panic!("a list was expected: {self:?}");
        };
        list
    }

    /// The number it is.
    #[track_caller]
    pub fn number(self) -> i64 {
        let Self::Number(number) = self else {
            panic!("a number was expected: {self:?}");
        };
        number
    }

    /// What follows `name` in a list of names and values.
    pub fn field(self, name: &str) -> Option<String> {
        let list = self.list();
        let at = list
            .iter()
            .position(|item| *item == Self::Text(name.to_owned()))?;
        Some(list[at + 1].clone().text())
    }
}

/// An administrator's connection to a Redis or a Sentinel.
pub(crate) struct Administrator(BufReader<TcpStream>);

impl Administrator {
    pub(crate) fn connect(port: u16) -> std::io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    pub(crate) fn send(&mut self, command: &[&str]) -> std::io::Result<()> {
        let mut text = format!("*{}\r\n", command.len());
        for word in command {
            text += &format!("${}\r\n{word}\r\n", word.len());
        }
        self.0.get_mut().write_all(text.as_bytes())
    }

    pub(crate) fn call(&mut self, command: &[&str]) -> std::io::Result<Reply> {
        self.send(command)?;
        self.reply()
    }

    fn reply(&mut self) -> std::io::Result<Reply> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let (kind, rest) = line.trim_end().split_at(1);
        Ok(match (kind, rest.parse::<i64>()) {
            ("+", _) => Reply::Text(rest.to_owned()),
            ("-", _) => Reply::Error(rest.to_owned()),
            (":", Ok(number)) => Reply::Number(number),
            ("$" | "*", Ok(-1)) => Reply::Nothing,
            ("$", Ok(length)) => {
                let mut bytes = vec![0; usize::try_from(length).map_err(Error::other)? + 2];
                self.0.read_exact(&mut bytes)?;
                bytes.truncate(bytes.len() - 2);
                Reply::Text(String::from_utf8_lossy(&bytes).into_owned())
            }
            ("*", Ok(length)) => {
                let items = (0..length).map(|_| self.reply());
                Reply::List(items.collect::<Result<_, _>>()?)
            }
            _ => return Err(ErrorKind::InvalidData.into()),
        })
    }
}
