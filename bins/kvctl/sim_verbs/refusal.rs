//! Why nothing was run.

use serde_json::json;

use crate::answer::Answer;
use crate::exit::Exit;

/// What is wrong, how everything stands, and what helps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    why: String,
    state: &'static str,
    advice: String,
}

impl Refusal {
    /// Nothing was run, because of this.
    pub fn new(why: impl Into<String>) -> Refusal {
        Refusal { why: why.into(), state: "nothing was run", advice: "`kvctl sim --help`".to_owned() }
    }

    /// The same with what is so instead.
    #[must_use]
    pub fn state(self, state: &'static str) -> Refusal {
        Refusal { state, ..self }
    }

    /// The same with what helps.
    #[must_use]
    pub fn try_this(self, advice: impl Into<String>) -> Refusal {
        Refusal { advice: advice.into(), ..self }
    }

    /// In words and as fields.
    pub fn answer(&self) -> Answer {
        let Refusal { why, state, advice } = self;
        let note = format!("error: {why}\n  state: {state}\n  try:   {advice}\n");
        let fields =
            json!({ "verb": "sim", "result": "refused", "error": why, "state": state, "try": advice });
        Answer::new(Exit::Usage, "", fields).with_note(note)
    }
}
