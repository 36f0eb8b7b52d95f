//! Times and counts as they are typed.

/// Some thirty years: what is longer is no time that a flag could take, s.
const LONGEST_S: f64 = 1e9;

/// A time in seconds: `500ms`, `60s`, `5m`, `1h`, `2d`; a bare number is seconds.
pub fn seconds(text: &str) -> Result<f64, String> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let scale = match unit.trim() {
        "ns" => 1e-9,
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        other => return Err(format!("unknown unit '{other}'; write 500ms, 60s, 5m, 1h or 2d, at most 366d")),
    };
    match number.parse::<f64>() {
        Ok(value) if value * scale <= LONGEST_S => Ok(value * scale),
        Ok(_) | Err(_) => Err("not a time; write 500ms, 60s, 5m, 1h or 2d, at most 366d".into()),
    }
}

/// A percentage above 0: `5%`, `2.5 %`; a bare number is a percentage too.
pub fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim().trim_end_matches('%').trim_end();
    match number.parse::<f64>() {
        Ok(value) if value > 0.0 && value <= 100.0 => Ok(value),
        Ok(_) | Err(_) => Err("not a percentage; write 5%".into()),
    }
}

/// `20` is a count, `10s` a time.
pub fn count_or_seconds(text: &str) -> Result<CountOrSeconds, String> {
    match text.trim().parse::<u64>() {
        Ok(count) => Ok(CountOrSeconds::Count(count)),
        Err(_) => seconds(text).map(CountOrSeconds::Seconds),
    }
}

/// A number of requests or a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CountOrSeconds {
    /// So many requests.
    Count(u64),
    /// So many seconds.
    Seconds(f64),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_take_units() {
        assert_eq!(seconds("500ms"), Ok(0.5));
        assert_eq!(seconds("60s"), Ok(60.0));
        assert_eq!(seconds("5m"), Ok(300.0));
        assert_eq!(seconds("1.5"), Ok(1.5));
        assert!(seconds("5 parsecs").is_err());
        assert!(seconds("").is_err());
        assert!(seconds("-1s").is_err());
        assert!(seconds("99999999999999999999").is_err());
        assert_eq!((percent("5%"), percent("2.5 %"), percent("3")), (Ok(5.0), Ok(2.5), Ok(3.0)));
        assert!(["", "0", "-5%", "NaN", "101%", "5 percent"].iter().all(|text| percent(text).is_err()));
        assert_eq!(count_or_seconds("20"), Ok(CountOrSeconds::Count(20)));
        assert_eq!(count_or_seconds("10s"), Ok(CountOrSeconds::Seconds(10.0)));
    }
}
