//! The same done to each of some things, by several threads: the results stand in the order of the things.

use std::sync::Mutex;

/// More threads than this have too little to do each.
const MOST_THREADS: usize = 8;

/// What `of` makes of each. A thread that is free takes the next.
pub(super) fn side_by_side<T: Send, R: Send>(things: Vec<T>, of: impl Fn(T) -> R + Sync) -> Vec<R> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = cores.min(MOST_THREADS).min(things.len());
    if threads < 2 {
        return things.into_iter().map(of).collect();
    }
    let waiting = Mutex::new(things.into_iter().enumerate());
    let work = || {
        let mut done = Vec::new();
        loop {
            // Taken by itself, so that nobody waits for what is made of it.
            let next = waiting.lock().ok().and_then(|mut waiting| waiting.next());
            let Some((place, thing)) = next else { return done };
            done.push((place, of(thing)));
        }
    };
    let mut done = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut done = work();
        for other in others {
            done.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        done
    });
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_result_stands_where_its_thing_stood() {
        for count in [0, 1, 2, 3, 100] {
            let squares: Vec<u64> = (0..count).map(|number| number * number).collect();
            assert_eq!(side_by_side((0..count).collect(), |number| number * number), squares);
        }
    }
}
