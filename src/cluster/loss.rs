//! What a lost worker is called.

/// `worker 2 of 4 lost at 12.3 s: a quarter of the load was not offered`
pub fn sentence(worker: u32, of: u32, at_s: Option<f64>, why: &str) -> String {
    let part = match of {
        2 => "half".to_owned(),
        3 => "a third".to_owned(),
        4 => "a quarter".to_owned(),
        more => format!("1/{more}"),
    };
    let when = at_s.map_or_else(|| "before the load began".to_owned(), |at_s| format!("at {at_s:.1} s"));
    format!("worker {worker} of {of} lost {when}: {part} of the load was not offered ({why})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_says_who_when_and_how_much_of_the_load() {
        let said = sentence(2, 4, Some(12.34), "its connection closed");
        assert_eq!(
            said,
            "worker 2 of 4 lost at 12.3 s: a quarter of the load was not offered (its connection closed)"
        );
        let said = sentence(1, 16, None, "x");
        assert_eq!(said, "worker 1 of 16 lost before the load began: 1/16 of the load was not offered (x)");
    }
}
