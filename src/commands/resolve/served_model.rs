//! Which of a server's models is asked for, and what is said of the choice.

/// Parts of the names of models that generate no text.
const NO_TEXT: [&str; 16] = [
    "embed",
    "rerank",
    "bge-",
    "e5-",
    "gte-",
    "minilm",
    "colbert",
    "whisper",
    "tts",
    "clip",
    "moderation",
    "dall-e",
    "diffusion",
    "guard",
    "reward",
    "classif",
];
/// The most names that a line lists.
const MOST_NAMES: usize = 8;
/// Characters of a name in a line.
const LONGEST_NAME: usize = 80;
/// Places in words, as far as anybody counts.
const PLACES: [&str; 4] = ["first", "second", "third", "fourth"];

/// The model to ask for where nobody names one: the first that generates text by its name, else the first.
pub fn choose(listed: &[String]) -> Option<&String> {
    listed.iter().find(|name| generates_text(name)).or(listed.first())
}

fn generates_text(name: &str) -> bool {
    let name = name.to_lowercase();
    !NO_TEXT.iter().any(|part| name.contains(part))
}

/// What is said of the choice: `model b, second of 3 listed: a, b, c; choose with --model`.
pub fn chosen_line(chosen: &str, listed: &[String]) -> String {
    let name = clip(chosen);
    let all = names(listed);
    match (listed.iter().position(|other| other == chosen), listed.len()) {
        (Some(_), 1) => format!("model {name}, the one that is listed"),
        (Some(at), count) => {
            let place =
                PLACES.get(at).map_or_else(|| format!("number {}", at + 1), |word| (*word).to_owned());
            format!("model {name}, {place} of {count} listed: {all}; choose with --model")
        }
        (None, 0) => format!("model {name}; the server lists none"),
        (None, _) => format!("model {name}, which is not among the {} listed: {all}", listed.len()),
    }
}

/// Names of a list, as a line takes them.
fn names(listed: &[String]) -> String {
    let shown: Vec<String> = listed.iter().take(MOST_NAMES).map(|name| clip(name)).collect();
    match listed.len().saturating_sub(MOST_NAMES) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn clip(name: &str) -> String {
    match name.char_indices().nth(LONGEST_NAME) {
        None => name.to_owned(),
        Some((end, _)) => format!("{}…", &name[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_first_that_generates_text_is_taken_and_the_line_says_of_how_many() {
        let three = list(&["tiny-embed", "tiny-chat", "tiny-chat-lora"]);
        let chosen = choose(&three).unwrap();
        let line =
            "model tiny-chat, second of 3 listed: tiny-embed, tiny-chat, tiny-chat-lora; choose with --model";
        assert_eq!(chosen_line(chosen, &three), line);
        assert_eq!(choose(&list(&["x-embed", "y-rerank"])).unwrap(), "x-embed");
        assert_eq!(choose(&[]), None);
        assert_eq!(chosen_line("a", &list(&["a"])), "model a, the one that is listed");
        assert_eq!(chosen_line("m", &three[..1]), "model m, which is not among the 1 listed: tiny-embed");
    }

    #[test]
    fn a_list_of_any_size_is_a_line() {
        let long: Vec<String> = (0..10_000).map(|k| format!("{k}{}", "é".repeat(1_000))).collect();
        let line = chosen_line(&long[6], &long);
        assert!(line.contains("number 7 of 10000 listed") && line.contains("and 9992 more"), "{line}");
        assert!(line.chars().count() < 1_000);
    }
}
