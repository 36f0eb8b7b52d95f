//! What the model is asked.

use crate::schema::seeds::finalised;

/// What a category is, for the model; and the output limit of its prompts, tokens.
const KNOWN: [(&str, &str, u32); 11] = [
    ("chat", "everyday questions and requests to a friendly assistant", 128),
    ("question", "short factual questions", 64),
    ("code", "programming tasks, some with a piece of code to work on", 160),
    (
        "summarisation",
        "requests to summarise a text of two or three paragraphs, which is part of the prompt",
        128,
    ),
    (
        "extraction",
        "requests to pull facts out of a text, which is part of the prompt, into a list or JSON",
        96,
    ),
    (
        "classification",
        "requests to sort a short text, which is part of the prompt, into one of some classes",
        32,
    ),
    ("reasoning", "puzzles and problems that need several steps of thought", 128),
    ("translation", "requests to translate a few sentences, which are part of the prompt", 96),
    ("rewriting", "requests to rewrite a text, which is part of the prompt, in another tone or length", 128),
    ("creative", "requests for a short story, poem, name or idea", 128),
    ("long-context", "a question about a text of several hundred words, which is part of the prompt", 128),
];
const DEFAULT_OUTPUT_LIMIT: u32 = 128;

/// Subjects, some of which each request names, so that replies differ.
const SUBJECTS: [&str; 48] = [
    "gardening",
    "rail travel",
    "birds",
    "tax forms",
    "cooking for one",
    "bicycles",
    "a small bakery",
    "astronomy",
    "board games",
    "insurance letters",
    "beekeeping",
    "swimming",
    "old maps",
    "a school trip",
    "electric heating",
    "music lessons",
    "volcanoes",
    "a public library",
    "sailing",
    "job interviews",
    "chess",
    "dentists",
    "textiles",
    "river floods",
    "podcasts",
    "a village choir",
    "camping",
    "warehouse logistics",
    "ancient Rome",
    "knitting",
    "spreadsheets",
    "a lost parcel",
    "weather forecasts",
    "running a marathon",
    "cheese",
    "museum tickets",
    "neighbours",
    "solar panels",
    "photography",
    "ferries",
    "a hospital ward",
    "football",
    "chemistry",
    "recycling",
    "a hotel desk",
    "mushrooms",
    "carpentry",
    "night trains",
];
/// Subjects that one request names.
const SUBJECTS_A_REQUEST: usize = 4;
/// Prompts that the model is told not to repeat, and how much of each, characters.
const KNOWN_PROMPTS: usize = 5;
const KNOWN_CHARACTERS: usize = 60;

/// One request's question.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) text: String,
}

impl Ask {
    /// `number` counts the requests: each has subjects of its own. `held` are the category's prompts so far.
    pub(super) fn new(category: &str, count: usize, seed: u64, number: u64, held: &[&str]) -> Ask {
        let kind = KNOWN.iter().find(|known| known.0 == category).map_or(category, |known| known.1);
        let mut subjects: Vec<&str> = Vec::new();
        let mut state = finalised(seed ^ finalised(number));
        while subjects.len() < SUBJECTS_A_REQUEST {
            state = finalised(state);
            let subject = SUBJECTS[(state % SUBJECTS.len() as u64) as usize];
            if !subjects.contains(&subject) {
                subjects.push(subject);
            }
        }
        let known: Vec<String> = held.iter().rev().take(KNOWN_PROMPTS).map(|prompt| begin(prompt)).collect();
        let known = if known.is_empty() {
            String::new()
        } else {
            format!("Do not repeat these: {}.\n", known.join("; "))
        };
        let text = format!(
            "Write {count} different prompts that people would send to an AI assistant.\n\
             Kind of prompt ({category}): {kind}.\n\
             Subjects, for variety: {}.\n{known}\
             Write each prompt as its user would type it, complete in itself. Do not answer the prompts.\n\
             Reply with nothing but a JSON list of {count} strings; if you cannot write JSON, one prompt a line.",
            subjects.join(", ")
        );
        Ask { text }
    }
}

/// The output limit of a category's prompts, tokens.
pub(super) fn output_limit(category: &str) -> u32 {
    KNOWN.iter().find(|known| known.0 == category).map_or(DEFAULT_OUTPUT_LIMIT, |known| known.2)
}

fn begin(prompt: &str) -> String {
    let line = prompt.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(KNOWN_CHARACTERS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
