//! Why a text is no prompt to keep.

/// Lengths that a prompt may have, characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// At least.
    pub least: usize,
    /// At most.
    pub most: usize,
}

/// Why a text is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rejection {
    /// Nothing is left of it.
    Empty,
    /// Below the bounds.
    TooShort,
    /// Above the bounds.
    TooLong,
    /// The model declines.
    Refusal,
    /// An answer, or a remark about the list.
    NotAPrompt,
    /// What was asked of the model, given back.
    Echo,
    /// The same words again and again.
    Repetition,
    /// Bytes that are no text, or a key.
    Unsafe,
    /// The same as another, but for case, spaces and signs.
    Duplicate,
    /// Nearly the same words as another.
    NearDuplicate,
}

impl Rejection {
    /// In a word or two, for a list of counts.
    pub fn name(self) -> &'static str {
        match self {
            Rejection::Empty => "empty",
            Rejection::TooShort => "too short",
            Rejection::TooLong => "too long",
            Rejection::Refusal => "refusals",
            Rejection::NotAPrompt => "no prompts",
            Rejection::Echo => "echoes",
            Rejection::Repetition => "repetitions",
            Rejection::Unsafe => "unsafe",
            Rejection::Duplicate => "duplicates",
            Rejection::NearDuplicate => "near-duplicates",
        }
    }
}
