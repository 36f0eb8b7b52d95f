//! What is printed while a picture has the terminal: held, in its order, until the picture is gone.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

/// Where a held text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    /// Results.
    Out,
    /// Talk.
    Err,
}

/// What stands before the printing.
pub(super) struct Curtain {
    hear: Box<dyn Fn(&str) + Send>,
    leave: Box<dyn FnOnce() + Send>,
    held: Vec<(Stream, String)>,
}

static CURTAIN: Mutex<Option<Curtain>> = Mutex::new(None);
/// How long somebody else may keep the curtain from being lifted.
const PATIENCE: Duration = Duration::from_secs(1);

fn curtain() -> MutexGuard<'static, Option<Curtain>> {
    CURTAIN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on what is printed on the terminal is held: `hear` is given each line of talk, and `leave` is called once,
/// before the held text is printed.
pub(super) fn draw(hear: impl Fn(&str) + Send + 'static, leave: impl FnOnce() + Send + 'static) {
    *curtain() = Some(Curtain { hear: Box::new(hear), leave: Box::new(leave), held: Vec::new() });
}

/// Takes a text where there is a curtain; false: print it.
pub(super) fn hold(stream: Stream, text: &str) -> bool {
    match &mut *curtain() {
        Some(curtain) => {
            if stream == Stream::Err {
                (curtain.hear)(text);
            }
            curtain.held.push((stream, text.to_owned()));
            true
        }
        None => false,
    }
}

/// Ends the picture, and gives what was held to `print`; nobody prints meanwhile. Nothing where there is no curtain, or
/// where whoever holds it does not let go.
pub(super) fn lift(print: impl Fn(Stream, &str)) {
    let since = Instant::now();
    let mut curtain = loop {
        match CURTAIN.try_lock() {
            Ok(curtain) => break curtain,
            Err(TryLockError::Poisoned(poisoned)) => break poisoned.into_inner(),
            Err(TryLockError::WouldBlock) if since.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(TryLockError::WouldBlock) => return,
        }
    };
    let Some(lifted) = curtain.take() else { return };
    (lifted.leave)();
    for (stream, text) in lifted.held {
        print(stream, &text);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_is_printed_behind_the_curtain_comes_in_its_order_once_the_picture_has_left() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let (heard, left) = (told.clone(), told.clone());
        draw(
            move |line| heard.lock().unwrap().push(format!("heard {line}")),
            move || left.lock().unwrap().push("left".to_owned()),
        );
        assert!(hold(Stream::Err, "talk") && hold(Stream::Out, "result"));
        let printed = RefCell::new(Vec::new());
        lift(|stream, text| printed.borrow_mut().push((stream, text.to_owned())));
        lift(|_, _| unreachable!("it is lifted once"));
        assert_eq!(*told.lock().unwrap(), ["heard talk", "left"]);
        let expected = [(Stream::Err, "talk".to_owned()), (Stream::Out, "result".to_owned())];
        assert_eq!(printed.into_inner(), expected);
        assert!(!hold(Stream::Out, "later"));
    }
}
