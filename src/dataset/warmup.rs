//! Prompts for the warm-up: short and long in turn, and none that is measured.

use crate::schema::unit::Unit;

/// `{}` stands for a subject. Lengths run from a line to a paragraph, as the measured prompts' do.
const TEMPLATES: [&str; 6] = [
    "In one sentence, what is {} for?",
    "Give me four facts about {} that a visitor would not expect, and put the strangest one last.",
    "Write a friendly notice for a village hall that announces an evening about {}. It starts at half past seven, entry is free, and tea is served in the interval.",
    "Draft a checklist of six points for somebody who has to photograph {} for a catalogue tomorrow.",
    "Below is a remark from a visitors' book. Reply to it in three sentences.\n\nI came on a wet afternoon, mostly to get out of the rain, and stayed until the doors were shut. The display about {} was the best part: plain words, good light, and somebody at hand who was glad to be asked. The café had run out of soup by two o'clock, and the signs to the upper floor send you round in a circle. I shall come again, on a dry day, and bring my sister.",
    "Compare the two plans and recommend one.\n\nPlan A for the room about {}: keep the glass cases, repaint the walls, replace the lamps one row at a time, and stay open throughout. It takes fourteen weeks, and each week a different third of the room is behind a curtain. The guides fear that visitors will think the room is finished and be disappointed.\n\nPlan B: close for four weeks in February, when the fewest people come, and do everything at once. It costs a tenth more, since the painters work in two shifts, and the school visits that are booked for that month have to be moved to March. The cleaners prefer it. The insurance company asks that the cases be emptied first, which three volunteers have offered to do in a weekend.",
];

const SUBJECTS: [&str; 12] = [
    "clay ovens",
    "brass telescopes",
    "rope ferries",
    "tide mills",
    "paper kites",
    "sundials",
    "beehives",
    "canal locks",
    "signal flags",
    "glass marbles",
    "weather vanes",
    "wooden skates",
];

/// Output limits in tokens, by template.
const MAX_TOKENS: [u32; TEMPLATES.len()] = [32, 64, 96, 128, 64, 96];

/// `count` units of one turn with prompts that differ from each other and from the built-in dataset: 72 distinct
/// texts, then the same with a round number before them. Output limits are 32 to 128 tokens, or the override.
pub fn warmup_units(count: usize, max_tokens_override: Option<u32>) -> Vec<Unit> {
    (0..count)
        .map(|index| {
            let template = index % TEMPLATES.len();
            let subject = (index / TEMPLATES.len()) % SUBJECTS.len();
            let round = index / (TEMPLATES.len() * SUBJECTS.len());
            let text = TEMPLATES[template].replace("{}", SUBJECTS[subject]);
            let text = if round == 0 { text } else { format!("Round {}. {text}", round + 1) };
            let max_tokens = max_tokens_override.unwrap_or(MAX_TOKENS[template]);
            Unit::single(format!("warmup-{}", index + 1), text, max_tokens)
        })
        .collect()
}
