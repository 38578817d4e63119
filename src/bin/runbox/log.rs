//! The log file: what went wrong, for an engine to show to its user.

use std::fs::File;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use cli::runbox::{Global, LogFormat};
use serde_json::json;

/// Adds a line of this level, `error` or `warning`. A log that cannot be written is no further failure: standard error has it too.
pub fn write(global: &Global, level: &str, message: &str) {
    let Some(path) = &global.log else { return };
    let time = rfc3339(SystemTime::now());
    let line = match global.log_format {
        LogFormat::Json => json!({"level": level, "msg": message, "time": time}).to_string(),
        LogFormat::Text => format!("time={time:?} level={level} msg={message:?}"),
    };
    let _ = File::options().create(true).append(true).open(path).and_then(|mut file| writeln!(file, "{line}"));
}

/// A moment as RFC 3339 writes it, in UTC.
pub fn rfc3339(moment: SystemTime) -> String {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:09}Z", since.subsec_nanos())
}

/// The date `days` after 1970-01-01, in a calendar whose years begin in March: so the leap day comes last.
fn date(days: u64) -> (u64, u64, u64) {
    // 719468 days from 0000-03-01 to 1970-01-01; 146097 days in 400 years.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // March to January: 153 days in 5 months.
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (400 * era + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_moment_is_told_as_date_1_tells_it() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (951_782_400, "2000-02-29T00:00:00.000000000Z"),
            (1_709_251_199, "2024-02-29T23:59:59.000000000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000000000Z"),
        ] {
            assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }
}
