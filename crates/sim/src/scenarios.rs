//! The scenarios that ship: plans with a name, each of which shows one thing and says what is expected.
//!
//! As files they lie in `scenarios/` (the cases that people bring to a store of this kind, and a tour) and in the
//! project's `tests/regressions/` (bugs, our own and others'). docs/simulation.md lists them.

use crate::plan::{Plan, PlanInvalid};

/// A plan with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Its name; the file's.
    pub name: &'static str,
    /// The plan, as in the file.
    pub text: &'static str,
    /// It is kept because of a bug.
    pub is_regression: bool,
}

macro_rules! files {
    ($folder:literal, $is_regression:literal: $($name:literal),* $(,)?) => {
        [$(Scenario {
            name: $name,
            text: include_str!(concat!($folder, $name, ".toml")),
            is_regression: $is_regression,
        }),*]
    };
}

/// The named cases.
pub const NAMED: &[Scenario] = &files!("../scenarios/", false:
    "classic-four-two",
    "three-of-four",
    "read-one-failed",
    "rwn-grid",
    "tour",
);

/// The bugs.
pub const REGRESSIONS: &[Scenario] = &files!("../../../tests/regressions/", true:
    "ours-expiry-without-its-value",
);

impl Scenario {
    /// The one of this name.
    pub fn named(name: &str) -> Option<&'static Scenario> {
        all().find(|scenario| scenario.name == name)
    }

    /// Its plan.
    ///
    /// # Errors
    /// If the file is no plan; a test sees to it that none is.
    pub fn plan(&self) -> Result<Plan, PlanInvalid> {
        Plan::parse(self.text)
    }
}

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Scenario> {
    NAMED.iter().chain(REGRESSIONS)
}
