//! A harness for cases that a machine may not be able to run. Other crates' tests of real processes have this file, too.
//!
//! A case that can't run is *ignored*, with the reason, and never counts as passed; the last line says how many did
//! what.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libtest_mimic::{Arguments, Completion, Conclusion, Failed, FormatSetting, Trial};

/// How a case went that did not fail.
pub enum Outcome {
    /// With what it saw.
    Passed(String),
    /// It could not run here, and why.
    Skipped(String),
}

/// All is well.
#[allow(clippy::unnecessary_wraps, reason = "it is what a case ends with")]
pub fn passed(saw: String) -> Result<Outcome, Failed> {
    Ok(Outcome::Passed(saw))
}

/// Not here.
#[allow(clippy::unnecessary_wraps, reason = "it is what a case ends with")]
pub fn skipped(why: String) -> Result<Outcome, Failed> {
    Ok(Outcome::Skipped(why))
}

pub type Case<S> = fn(&S) -> Result<Outcome, Failed>;

/// Cases by their paths, which are their names.
macro_rules! cases {
    ($($module:ident :: $case:ident),* $(,)?) => {
        &[$((concat!(stringify!($module), "::", stringify!($case)), $module::$case as Case<Settings>)),*]
    };
}
pub(crate) use cases;

/// What the cases have to say beside passed and failed: (case, words).
type Ledger = Arc<Mutex<Vec<(&'static str, String)>>>;

/// A test binary of cases.
pub struct Suite<S: 'static> {
    pub name: &'static str,
    /// The command that runs it, behind the settings.
    pub command: &'static str,
    pub cases: &'static [(&'static str, Case<S>)],
    pub settings: S,
}

impl<S: Copy + Display + Send + 'static> Suite<S> {
    /// Runs the cases that `arguments` ask for.
    pub fn run(&self, arguments: &Arguments) -> ExitCode {
        let (seen, skipped) = (Ledger::default(), Ledger::default());
        let cases = self.cases.iter();
        let trials = cases.map(|(name, case)| trial(name, *case, self.settings, [&seen, &skipped])).collect();
        let conclusion = libtest_mimic::run(arguments, trials);
        if !arguments.list && !matches!(arguments.format, Some(FormatSetting::Json)) {
            self.conclude(&conclusion, [&seen, &skipped]);
        }
        conclusion.exit_code()
    }

    fn conclude(&self, conclusion: &Conclusion, [seen, skipped]: [&Ledger; 2]) {
        for (case, saw) in entries(seen).iter().filter(|(_, saw)| !saw.is_empty()) {
            println!("  {case}: {saw}");
        }
        if conclusion.has_failed() {
            println!("again: {} {}", self.settings, self.command);
        }
        let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
        entries(skipped).iter().for_each(|(_, why)| *reasons.entry(why.clone()).or_default() += 1);
        let reasons: Vec<String> =
            reasons.iter().map(|(why, count)| format!("; {count} for: {why}")).collect();
        let Conclusion { num_passed, num_failed, num_ignored, .. } = conclusion;
        let name = self.name;
        println!(
            "{name}: {num_passed} passed, {num_failed} failed, {num_ignored} SKIPPED{}",
            reasons.concat()
        );
    }
}

fn trial<S: Send + 'static>(
    name: &'static str,
    case: Case<S>,
    settings: S,
    [seen, skipped]: [&Ledger; 2],
) -> Trial {
    let (seen, skipped) = (Arc::clone(seen), Arc::clone(skipped));
    Trial::ignorable_test(name, move || match case(&settings)? {
        Outcome::Passed(saw) => {
            entries(&seen).push((name, saw));
            Ok(Completion::Completed)
        }
        Outcome::Skipped(why) => {
            entries(&skipped).push((name, why.clone()));
            Ok(Completion::ignored_with(why))
        }
    })
}

fn entries(ledger: &Ledger) -> MutexGuard<'_, Vec<(&'static str, String)>> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}
