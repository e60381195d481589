//! Replies into bytes, in the client's version of the protocol.
//!
//! Invariant: what a person or a key contributes to an error or a status line never ends it: control characters
//! are replaced.

use bytes::{BufMut, BytesMut};

/// The version of the protocol that a client speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proto {
    /// What every client speaks until it says `HELLO 3`.
    #[default]
    Resp2,
    /// With maps, sets, booleans and a null of its own.
    Resp3,
}

/// Appends replies to a buffer.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut BytesMut,
    proto: Proto,
}

impl<'a> Writer<'a> {
    /// Appends to `out` in `proto`.
    pub fn new(out: &'a mut BytesMut, proto: Proto) -> Writer<'a> {
        Writer { out, proto }
    }

    /// `+OK` and the like.
    pub fn status(&mut self, text: &str) {
        self.line(b'+', text);
    }

    /// An error: its code in capitals, a blank, a sentence.
    pub fn error(&mut self, text: &str) {
        self.line(b'-', text);
    }

    /// A whole number.
    pub fn integer(&mut self, value: i64) {
        let before: &[u8] = if value < 0 { b":-" } else { b":" };
        self.number(before, value.unsigned_abs());
    }

    /// A count of something.
    pub fn count(&mut self, count: u64) {
        self.number(b":", count);
    }

    /// A string of any bytes.
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.length(b'$', bytes.len());
        self.out.reserve(bytes.len() + 2);
        self.out.put_slice(bytes);
        self.out.put_slice(b"\r\n");
    }

    /// A string, or nothing.
    pub fn bulk_or_null(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.bulk(bytes),
            None => self.null(),
        }
    }

    /// Nothing.
    pub fn null(&mut self) {
        self.out.put_slice(match self.proto {
            Proto::Resp2 => b"$-1\r\n",
            Proto::Resp3 => b"_\r\n",
        });
    }

    /// A list of `len` replies, which follow.
    pub fn array(&mut self, len: usize) {
        self.length(b'*', len);
    }

    /// A map of `len` pairs, which follow; in RESP2 a list of twice as many.
    pub fn map(&mut self, len: usize) {
        match self.proto {
            Proto::Resp2 => self.length(b'*', 2 * len),
            Proto::Resp3 => self.length(b'%', len),
        }
    }

    /// A set of `len` replies, which follow; in RESP2 a list.
    pub fn set(&mut self, len: usize) {
        match self.proto {
            Proto::Resp2 => self.array(len),
            Proto::Resp3 => self.length(b'~', len),
        }
    }

    /// Text for people; in RESP2 a bulk string.
    pub fn verbatim(&mut self, text: &str) {
        match self.proto {
            Proto::Resp2 => self.bulk(text.as_bytes()),
            Proto::Resp3 => {
                self.length(b'=', text.len() + 4);
                self.out.put_slice(b"txt:");
                self.out.put_slice(text.as_bytes());
                self.out.put_slice(b"\r\n");
            }
        }
    }

    fn line(&mut self, kind: u8, text: &str) {
        self.out.reserve(text.len() + 3);
        self.out.put_u8(kind);
        if text.bytes().any(|byte| byte.is_ascii_control()) {
            self.out.extend(text.bytes().map(|byte| if byte.is_ascii_control() { b' ' } else { byte }));
        } else {
            self.out.put_slice(text.as_bytes());
        }
        self.out.put_slice(b"\r\n");
    }

    fn length(&mut self, kind: u8, len: usize) {
        self.number(&[kind], len as u64);
    }

    fn number(&mut self, before: &[u8], mut left: u64) {
        let mut digits = [0; 24];
        let mut at = digits.len() - 2;
        digits[at..].copy_from_slice(b"\r\n");
        loop {
            at -= 1;
            digits[at] = b'0' + (left % 10) as u8;
            left /= 10;
            if left == 0 {
                break;
            }
        }
        let from = at - before.len();
        digits[from..at].copy_from_slice(before);
        self.out.put_slice(&digits[from..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(proto: Proto, write: impl Fn(&mut Writer<'_>)) -> String {
        let mut out = BytesMut::new();
        write(&mut Writer::new(&mut out, proto));
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn each_kind_of_reply_is_written_as_its_protocol_has_it() {
        type Case = (fn(&mut Writer<'_>), &'static str, &'static str);
        let cases: [Case; 7] = [
            (|w| w.status("OK"), "+OK\r\n", "+OK\r\n"),
            (|w| w.error("ERR no"), "-ERR no\r\n", "-ERR no\r\n"),
            (|w| w.bulk(b"a\r\n"), "$3\r\na\r\n\r\n", "$3\r\na\r\n\r\n"),
            (|w| w.null(), "$-1\r\n", "_\r\n"),
            (|w| w.map(2), "*4\r\n", "%2\r\n"),
            (|w| w.set(1), "*1\r\n", "~1\r\n"),
            (|w| w.verbatim("a"), "$1\r\na\r\n", "=5\r\ntxt:a\r\n"),
        ];
        for (write, two, three) in cases {
            assert_eq!(
                (written(Proto::Resp2, write), written(Proto::Resp3, write)),
                (two.into(), three.into())
            );
        }
    }

    #[test]
    fn every_number_is_written_to_its_last_digit() {
        for value in [0, 7, -1, 10, i64::MAX, i64::MIN] {
            assert_eq!(written(Proto::Resp2, |w| w.integer(value)), format!(":{value}\r\n"));
        }
    }

    #[test]
    fn a_line_ends_where_it_should_whatever_is_in_it() {
        assert_eq!(written(Proto::Resp2, |w| w.error("ERR 'a\r\n+OK'")), "-ERR 'a  +OK'\r\n");
    }
}
