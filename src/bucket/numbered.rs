//! Names that are taken get a number, as they do on disk.

/// `name`, `name_2`, `name_3` …
pub(super) fn numbered(name: &str) -> impl Iterator<Item = String> + '_ {
    (1u32..=u32::MAX).map(move |number| match number {
        1 => name.to_owned(),
        _ => format!("{name}_{number}"),
    })
}
