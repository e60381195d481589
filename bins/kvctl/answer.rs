//! What a verb has to say, before it is known in which format.
//!
//! Invariants:
//! - data goes to standard output, everything else to standard error;
//! - a JSON answer is one object with `"schema": "kvctl/v1"`; failures are one, too, so that a program need not read
//!   standard error.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use crate::cli::Format;
use crate::exit::Exit;

/// The version of the JSON answers.
pub const SCHEMA: &str = "kvctl/v1";

/// See the module's head.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// How the command ends.
    pub exit: Exit,
    /// For people: whole lines, or nothing.
    pub text: String,
    /// For standard error, whatever the format: whole lines, or nothing.
    pub note: String,
    /// For programs; an object.
    pub json: Value,
    /// The objects that are a line each in ndjson, where an answer is a list; else the answer is one line.
    pub rows: Option<Box<[Value]>>,
    /// The bytes of the value, where there is one.
    pub raw: Box<[u8]>,
}

impl Answer {
    /// An answer that only has these `lines`, and `fields` for programs.
    pub fn new(exit: Exit, text: impl Into<String>, fields: Value) -> Answer {
        let text = text.into();
        let raw = text.clone().into_bytes().into();
        Answer { exit, text, note: String::new(), json: with_schema(fields), rows: None, raw }
    }

    /// The same with `note` on standard error.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Answer {
        self.note = note.into();
        self
    }

    /// The same with these bytes as its raw form.
    #[must_use]
    pub fn with_raw(mut self, raw: impl Into<Vec<u8>>) -> Answer {
        self.raw = raw.into().into();
        self
    }

    /// The same with these objects as lines of ndjson.
    #[must_use]
    pub fn with_rows(mut self, rows: Vec<Value>) -> Answer {
        self.rows = Some(rows.into());
        self
    }
}

fn with_schema(fields: Value) -> Value {
    let mut object = Map::new();
    object.insert("schema".to_owned(), json!(SCHEMA));
    if let Value::Object(fields) = fields {
        object.extend(fields);
    }
    Value::Object(object)
}

/// Where answers go.
pub struct Screen<'a> {
    pub format: Format,
    pub out: &'a mut dyn Write,
    pub err: &'a mut dyn Write,
}

impl Screen<'_> {
    /// Prints `answer`; its exit.
    pub fn show(&mut self, answer: &Answer) -> io::Result<Exit> {
        self.err.write_all(answer.note.as_bytes())?;
        match self.format {
            Format::Table => self.out.write_all(answer.text.as_bytes())?,
            Format::Raw => self.out.write_all(&answer.raw)?,
            Format::Json => writeln!(self.out, "{:#}", answer.json)?,
            Format::Ndjson => match &answer.rows {
                Some(rows) => rows.iter().try_for_each(|row| writeln!(self.out, "{row}"))?,
                None => writeln!(self.out, "{}", answer.json)?,
            },
        }
        self.out.flush()?;
        Ok(answer.exit)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// What `answer` puts on standard output and standard error.
    pub fn shown(answer: &Answer, format: Format) -> (String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        Screen { format, out: &mut out, err: &mut err }.show(answer).unwrap();
        (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[test]
    fn each_format_prints_its_own_form_and_notes_go_to_standard_error() {
        let answer = Answer::new(Exit::Ok, "hi\n", json!({ "a": 1 })).with_note("psst\n").with_raw("hi");
        assert_eq!(shown(&answer, Format::Table), ("hi\n".into(), "psst\n".into()));
        assert_eq!(shown(&answer, Format::Raw).0, "hi");
        assert_eq!(shown(&answer, Format::Ndjson).0, "{\"a\":1,\"schema\":\"kvctl/v1\"}\n");
        let rows = answer.with_rows(vec![json!({ "b": 1 }), json!({ "b": 2 })]);
        assert_eq!(shown(&rows, Format::Ndjson).0, "{\"b\":1}\n{\"b\":2}\n");
    }
}
