//! How a file in another tool's form was read, in words.

use crate::dataset::import::BYTES_A_TOKEN;
use crate::schema::plan::DatasetSource;

/// One line; none of a file in our own form.
pub fn told(dataset: &DatasetSource) -> Option<String> {
    let reading = dataset.reading.as_ref()?;
    let mut line = format!("{}: read as {}", dataset.path, reading.format);
    let left_out: Vec<String> =
        reading.left_out.iter().map(|(why, rows)| format!("{rows} with {why}")).collect();
    if left_out.is_empty() {
        line.push_str(&format!(", {} prompts", dataset.prompts));
    } else {
        line.push_str(&format!(
            ", {} prompts of {} rows ({})",
            dataset.prompts,
            reading.rows,
            left_out.join(", ")
        ));
    }
    if reading.estimated_limits {
        line.push_str(&format!(
            "; output limits are estimated from the replies, a token for each {BYTES_A_TOKEN} bytes"
        ));
    }
    Some(line)
}
