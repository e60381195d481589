//! What a plan may ask for: each of its numbers has bounds, so that no file hangs a run, eats the memory or means nothing.
//!
//! Numbers are looked up by name in one table, wherever they stand: a new fault with `ms` or `shards` is bounded by it too.

use serde_json::Value;

use super::{Act, Ask, Load, Plan, PlanInvalid, Step, What};

/// The longest run, and the latest moment of a plan: six hours.
pub const RUN_MS_MAX: u64 = 6 * 3_600_000;
/// The most requests and faults, those of loads among them.
pub const STEPS_MAX: u64 = 2_000_000;
/// The most bytes that all values of a plan have together.
pub const VALUE_BYTES_MAX: u64 = 1 << 30;

/// A number's name, behind its parent's where that matters, the least and the most it may be.
type Limit = (&'static str, i128, i128);

const MS: i128 = RUN_MS_MAX as i128;
const HOUR_US: i128 = 3_600_000_000;
const MILLION: i128 = 1_000_000;
const MANY: i128 = 1_000_000_000;
/// Thirty years, milliseconds.
const CLOCK_MS: i128 = 1_000_000_000_000;

const LIMITS: &[Limit] = &[
    ("run_ms", 1, MS),
    ("at_ms", 0, MS),
    ("within_ms", 0, MS),
    ("for_ms", 0, MS),
    ("from_ms", 0, MS),
    ("to_ms", 0, MS),
    ("after_ms", 0, MS),
    ("flap_ms", 0, MS),
    ("step.ms", -CLOCK_MS, CLOCK_MS),
    ("strobe.ms", -CLOCK_MS, CLOCK_MS),
    ("strobe.every_ms", 1, MS),
    ("ms", 0, MS),
    ("ppm", -MILLION, MILLION),
    ("per_second", 0, 100_000),
    ("keys", 1, MILLION),
    ("writes_percent", 0, 100),
    ("deletes_percent", 0, 100),
    ("bytes", 0, 16 << 20),
    ("least_us", 0, HOUR_US),
    ("more_us", 0, HOUR_US),
    ("reorder_by_us", 0, HOUR_US),
    ("loss", 0, MILLION),
    ("duplication", 0, MILLION),
    ("reordering", 0, MILLION),
    ("shards", 1, 8),
    ("bits", 1, MILLION),
    ("one_in", 2, MANY),
    ("nth", 1, MANY),
    ("operations", 1, MANY),
    ("syncs", 1, MANY),
    ("writes", 1, MANY),
    ("dark_after", 1, MANY),
    ("sectors", 1, MILLION),
    ("reads", 1, MANY),
    ("limit", 1, MILLION),
    ("room_bytes", 0, 1 << 40),
    ("wal_segment_bytes", 16 << 10, 64 << 20),
    ("hint_segment_bytes", 16 << 10, 64 << 20),
    ("hint_bytes_per_target_max", 0, 1 << 40),
    ("sync_us_least", 0, HOUR_US),
    ("sync_us_most", 0, HOUR_US),
    ("turn_us", 0, HOUR_US),
    ("slice_bytes", 1, 1 << 30),
    ("slice_us", 1, HOUR_US),
    ("session_numbers", 1, MILLION),
    ("clock_parked_max", 1, MILLION),
    ("hints_pending_max", 1, MILLION),
    ("peer_requests_max", 1, MILLION),
    ("link_outstanding_batches_max", 1, MILLION),
    ("link_outstanding_bytes_max", 1, 1 << 30),
    ("clock_skew_max_ms", 0, CLOCK_MS),
    ("clock_ahead_ms", 1, MS),
    ("hint_window_ms", 0, CLOCK_MS),
    ("hint_page_bytes_max", 1, 1 << 30),
];

impl Plan {
    /// Whether every number is within its bounds, and all together too.
    pub(super) fn check_limits(&self) -> Result<(), PlanInvalid> {
        let rest = Plan { steps: Vec::new(), ..self.clone() };
        walk("", &serde_json::to_value(&rest).expect("numbers, words and tables"))?;
        for (place, step) in self.steps.iter().enumerate() {
            let (place, at_ms) = (place + 1, step.at_ms);
            let step = serde_json::to_value(step).expect("numbers, words and tables");
            walk(&format!("step {place} (at {at_ms} ms): "), &step)?;
        }
        self.check_sums()
    }

    fn check_sums(&self) -> Result<(), PlanInvalid> {
        let (mut steps, mut bytes) = (self.steps.len() as u64, 0);
        for Step { act, .. } in &self.steps {
            if let Act::Ask(Ask { what: What::Put { bytes: of_one, .. }, .. }) = act {
                bytes += *of_one as u64;
            }
        }
        for load in &self.loads {
            let asks = load.asks();
            steps += asks;
            bytes += asks * load.bytes as u64;
        }
        let sums = [
            ("the number of all steps and requests of loads", steps, STEPS_MAX),
            ("the bytes of all values", bytes, VALUE_BYTES_MAX),
        ];
        match sums.into_iter().find(|(_, sum, most)| sum > most) {
            Some((what, sum, most)) => Err(outside(what.to_owned(), i128::from(sum), (0, i128::from(most)))),
            None => Ok(()),
        }
    }
}

impl Load {
    /// How many requests it stands for.
    pub(super) fn asks(&self) -> u64 {
        self.to_ms.saturating_sub(self.from_ms).max(1) * self.per_second / 1_000
    }
}

/// Looks at every number below `value`; `to` is the way there.
fn walk(to: &str, value: &Value) -> Result<(), PlanInvalid> {
    match value {
        Value::Object(fields) => {
            let joined = |name: &str| {
                if to.is_empty() || to.ends_with(' ') {
                    format!("{to}{name}")
                } else {
                    format!("{to}.{name}")
                }
            };
            fields.iter().try_for_each(|(name, value)| walk(&joined(name), value))
        }
        Value::Array(values) => {
            (1..).zip(values).try_for_each(|(at, value)| walk(&format!("{to} {at}"), value))
        }
        Value::Number(number) => {
            let is = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
            match is.zip(limit_of(to)) {
                Some((is, (_, least, most))) if !(*least..=*most).contains(&is) => {
                    Err(outside(to.replacen("do.", "", 1), is, (*least, *most)))
                }
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

fn outside(what: String, is: i128, (least, most): (i128, i128)) -> PlanInvalid {
    PlanInvalid::Limit { what, is, least, most }
}

/// The bounds of the number at the end of this way, the first that fits.
fn limit_of(to: &str) -> Option<&'static Limit> {
    LIMITS.iter().find(|(name, ..)| {
        let parent = to.strip_suffix(name);
        parent.is_some_and(|parent| parent.is_empty() || parent.ends_with(['.', ' ']))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Shape;

    fn refused(text: &str) -> String {
        match Plan::parse(text) {
            Ok(_) => "it is taken".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    fn refused_step(act: &str) -> String {
        refused(&format!("seed = 1\nrun_ms = 100\n[[step]]\nat_ms = 5\ndo = {{ {act} }}\n"))
    }

    fn refused_ask(what: &str) -> String {
        refused_step(&format!("ask = {{ id = 1, by = 1, key = \"k\", level = \"ONE\", what = {what} }}"))
    }

    #[test]
    fn what_would_eat_the_memory_is_refused_with_its_place_and_its_bounds() {
        assert_eq!(
            refused_ask("{ put = { bytes = 99999999999 } }"),
            "step 1 (at 5 ms): ask.what.put.bytes = 99999999999 is not within 0 to 16777216"
        );
        assert_eq!(
            refused("seed = 1\nrun_ms = 100\n[[load]]\nper_second = 1000000000\n"),
            "load 1.per_second = 1000000000 is not within 0 to 100000"
        );
        assert_eq!(
            refused("seed = 1\nrun_ms = 100\n[[load]]\nto_ms = 21600000\nper_second = 1000\n"),
            "the number of all steps and requests of loads = 21600000 is not within 0 to 2000000"
        );
        assert_eq!(
            refused("seed = 1\nrun_ms = 100\n[[load]]\nbytes = 16000000\n"),
            "the bytes of all values = 4000000000 is not within 0 to 1073741824"
        );
    }

    #[test]
    fn times_beyond_six_hours_are_refused() {
        assert_eq!(
            refused("seed = 1\nrun_ms = 99999999999\n"),
            "run_ms = 99999999999 is not within 1 to 21600000"
        );
        let late = "seed = 1\nrun_ms = 100\n[[step]]\nat_ms = 9223372036854775807\ndo = { say = \"x\" }\n";
        let is =
            "step 1 (at 9223372036854775807 ms): at_ms = 9223372036854775807 is not within 0 to 21600000";
        assert_eq!(refused(late), is);
        let forever = refused_step("until = { wanted = \"equal\", within_ms = 21600001 }");
        assert_eq!(forever, "step 1 (at 5 ms): until.within_ms = 21600001 is not within 0 to 21600000");
    }

    #[test]
    fn what_divides_by_nothing_or_is_no_share_is_refused() {
        let is = |what: &str| format!("step 1 (at 5 ms): fault.{what}");
        let kill = |shards: u64| {
            refused_step(&format!("fault = {{ kill = {{ node = 1, back = {{ shards = {shards} }} }} }}"))
        };
        assert_eq!(kill(0), is("kill.back.shards = 0 is not within 1 to 8"));
        assert_eq!(kill(100_000), is("kill.back.shards = 100000 is not within 1 to 8"));
        assert_eq!(
            refused_step("fault = { weather = { loss = 5000000 } }"),
            is("weather.loss = 5000000 is not within 0 to 1000000")
        );
        assert_eq!(
            refused_step("fault = { clock = { node = 1, error = { strobe = { ms = 5, every_ms = 0 } } } }"),
            is("clock.error.strobe.every_ms = 0 is not within 1 to 21600000")
        );
        assert_eq!(
            refused("seed = 1\nrun_ms = 100\n[[load]]\nwrites_percent = 500\n"),
            "load 1.writes_percent = 500 is not within 0 to 100"
        );
        assert_eq!(
            refused("seed = 1\nrun_ms = 100\n[cluster.tuning]\nwal_segment_bytes = 1\n"),
            "cluster.tuning.wal_segment_bytes = 1 is not within 16384 to 67108864"
        );
    }

    #[test]
    fn what_clocks_may_be_wrong_by_is_not_what_faults_may_last() {
        let year = "fault = { clock = { node = 1, error = { step = { ms = 31536000000 } } } }";
        assert_eq!(refused_step(year), "it is taken");
        assert_eq!(
            refused_step("fault = { pause = { node = 1, ms = 31536000000 } }"),
            "step 1 (at 5 ms): fault.pause.ms = 31536000000 is not within 0 to 21600000"
        );
    }

    #[test]
    fn what_is_drawn_is_within_all_bounds() {
        for seed in 0..60 {
            let plan = Plan::draw(seed, Shape { run_ms: 4_000, ..Shape::default() });
            assert_eq!(plan.check_limits(), Ok(()), "seed {seed}");
        }
    }
}
