//! Times as traces write them → µs, exactly.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::schema::trace::TimeUnit;

/// Numbers beyond this are no times in their unit, µs: the end of the year 9999, counted from 1970.
const LATEST_US: u64 = 253_402_300_800_000_000;
/// More characters than this are no time.
const LONGEST: usize = 64;

/// A time in µs: a number in `unit`, or a date with a time, which needs no unit.
pub(super) fn time_us(text: &str, unit: TimeUnit) -> Result<u64, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("the time is empty".to_owned());
    }
    if text.len() > LONGEST {
        return Err("the time is no time".to_owned());
    }
    if is_date(text) { date_us(text) } else { number_us(text, unit) }
}

/// It is written as a date with a time, and not as a number.
pub(super) fn is_date(text: &str) -> bool {
    text.trim().as_bytes().get(4) == Some(&b'-') && text.contains(':')
}

/// `2023-11-16 18:15:46.6805900`, with 0 to 9 digits of a second, with an offset or without one (then UTC).
fn date_us(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{text}' is no time such as 2024-05-10 00:00:00.009930+00:00");
    let timestamp = match text.parse::<Timestamp>() {
        Ok(timestamp) => timestamp,
        Err(_) => {
            let civil: DateTime = text.parse().map_err(|_| wrong())?;
            civil.to_zoned(TimeZone::UTC).map_err(|_| wrong())?.timestamp()
        }
    };
    let us = (timestamp.as_nanosecond() + 500).div_euclid(1000);
    u64::try_from(us).map_err(|_| format!("'{text}' is before 1970"))
}

/// A number such as `5.8926549999999995`, `19440110.0` or `1e3`, to the nearest µs. Digit by digit: a float would
/// not hold seconds since 1970 with their µs.
fn number_us(text: &str, unit: TimeUnit) -> Result<u64, String> {
    let wrong = || format!("'{text}' is no time");
    let too_late = || {
        let unit = match unit {
            TimeUnit::S => "s",
            TimeUnit::Ms => "ms",
            TimeUnit::Us => "µs",
            TimeUnit::Ns => "ns",
        };
        format!(
            "'{text}' {unit} are beyond the year 9999: is it in a smaller unit? --columns …,time_unit=ms|us|ns"
        )
    };
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| wrong())?),
        None => (text, 0),
    };
    let unsigned = mantissa.strip_prefix('+').unwrap_or(mantissa);
    if unsigned.starts_with('-') {
        return Err(format!("'{text}' is a time below 0"));
    }
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = || whole.bytes().chain(fraction.bytes());
    if digits().next().is_none() || !digits().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let of_unit = match unit {
        TimeUnit::S => 6,
        TimeUnit::Ms => 3,
        TimeUnit::Us => 0,
        TimeUnit::Ns => -3,
    };
    // So many digits are of whole µs; the next one rounds.
    let wanted = whole.len() as i64 + i64::from(exponent) + of_unit;
    let mut us: u64 = 0;
    for place in 0..wanted.clamp(0, 40) as usize {
        let digit = digits().nth(place).map_or(0, |byte| u64::from(byte - b'0'));
        us = us.checked_mul(10).and_then(|us| us.checked_add(digit)).ok_or_else(too_late)?;
    }
    if wanted > 40 && digits().any(|byte| byte != b'0') {
        return Err(too_late());
    }
    let rounds_up =
        usize::try_from(wanted).ok().and_then(|next| digits().nth(next)).is_some_and(|byte| byte >= b'5');
    let us = us + u64::from(rounds_up);
    if us < LATEST_US { Ok(us) } else { Err(too_late()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_none_to_nine_digits_of_a_second_and_an_offset_or_none() {
        let us = |text: &str| time_us(text, TimeUnit::S).unwrap();
        assert_eq!(us("2023-11-16 18:15:46.6805900"), 1_700_158_546_680_590);
        assert_eq!(us("2024-05-12 00:00:00+00:00"), 1_715_472_000_000_000);
        assert_eq!(us("2024-05-12 00:00:00.009930+00:00"), 1_715_472_000_009_930);
        assert_eq!(us("2024-05-12T02:00:00.5+02:00"), 1_715_472_000_500_000);
        assert_eq!(us("2024-05-12T00:00:00.123456789Z"), 1_715_472_000_123_457);
        assert_eq!(us("2024-05-12 00:00:00.1"), 1_715_472_000_100_000);
        for bad in ["2024-13-12 00:00:00", "2024-05-12", "1969-12-31 23:59:59", "2024-05-12 25:00:00"] {
            assert!(time_us(bad, TimeUnit::S).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_in_a_smaller_unit_than_was_said_are_refused_with_the_cure() {
        let since_1970 = [
            ("1700158546680", TimeUnit::S),
            ("1700158546680590", TimeUnit::Ms),
            ("1700158546680590123", TimeUnit::Us),
        ];
        for (text, unit) in since_1970 {
            let refused = time_us(text, unit).unwrap_err();
            assert!(refused.contains("beyond the year 9999") && refused.contains("time_unit="), "{refused}");
        }
        assert_eq!(time_us("1700158546680590123", TimeUnit::Ns), Ok(1_700_158_546_680_590));
    }

    #[test]
    fn numbers_are_exact_to_the_microsecond_in_each_unit() {
        let s = |text: &str| time_us(text, TimeUnit::S);
        assert_eq!(s("5.8926549999999995"), Ok(5_892_655));
        assert_eq!(s("11.836632999999999"), Ok(11_836_633));
        assert_eq!(s("19440110.0"), Ok(19_440_110_000_000));
        assert_eq!(s("1700158546.680590"), Ok(1_700_158_546_680_590));
        assert_eq!(
            (s("1e3"), s("1.5E-3"), s(".5"), s("7.")),
            (Ok(1_000_000_000), Ok(1_500), Ok(500_000), Ok(7_000_000))
        );
        assert_eq!((s("0.0000004"), s("0.0000005")), (Ok(0), Ok(1)));
        assert_eq!(s("0e999999999"), Ok(0));
        assert_eq!(time_us("1178625", TimeUnit::Ms), Ok(1_178_625_000));
        assert_eq!(time_us("1178625", TimeUnit::Us), Ok(1_178_625));
        assert_eq!(time_us("1178625", TimeUnit::Ns), Ok(1_179));
        for bad in ["", ".", "-1", "nan", "inf", "1e99", "1e", "0x5", "1,5", "99999999999999999999"] {
            assert!(s(bad).is_err(), "{bad}");
        }
    }
}
