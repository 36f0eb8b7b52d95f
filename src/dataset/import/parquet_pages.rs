//! The pages of a Parquet file, whose heads are held against their bytes before its reader believes them.

use parquet::basic::Encoding;
use parquet::bloom_filter::Sbbf;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::{FileReader, RowGroupReader};
use parquet::record::reader::RowIter;
use parquet::schema::types::Type;

/// A file whose pages are looked at.
pub(super) struct Checked<R>(pub(super) R);

impl<R: FileReader> FileReader for Checked<R> {
    fn metadata(&self) -> &ParquetMetaData {
        self.0.metadata()
    }

    fn num_row_groups(&self) -> usize {
        self.0.num_row_groups()
    }

    fn get_row_group(&self, group: usize) -> Result<Box<dyn RowGroupReader + '_>> {
        Ok(Box::new(Group(self.0.get_row_group(group)?)))
    }

    fn get_row_iter(&self, projection: Option<Type>) -> Result<RowIter<'_>> {
        RowIter::from_file(projection, self)
    }
}

struct Group<'a>(Box<dyn RowGroupReader + 'a>);

impl RowGroupReader for Group<'_> {
    fn metadata(&self) -> &RowGroupMetaData {
        self.0.metadata()
    }

    fn num_columns(&self) -> usize {
        self.0.num_columns()
    }

    fn get_column_page_reader(&self, column: usize) -> Result<Box<dyn PageReader>> {
        let pages = self.0.get_column_page_reader(column)?;
        let column = self.0.metadata().column(column).column_descr();
        let levels = [column.max_rep_level(), column.max_def_level()].map(|most| most > 0);
        Ok(Box::new(Pages { pages, levels }))
    }

    fn get_column_bloom_filter(&self, column: usize) -> Option<&Sbbf> {
        self.0.get_column_bloom_filter(column)
    }

    fn get_row_iter(&self, projection: Option<Type>) -> Result<RowIter<'_>> {
        RowIter::from_row_group(projection, self)
    }
}

struct Pages {
    pages: Box<dyn PageReader>,
    /// Whether a value has a level of repetition, and one of definition.
    levels: [bool; 2],
}

impl Pages {
    /// A page, unless it claims more values than it can have.
    fn checked(&self, page: Page) -> Result<Page> {
        let refused = |claimed: u64, bytes: usize| {
            Err(ParquetError::General(format!("a page claims {claimed} values in {bytes} bytes")))
        };
        match &page {
            // Each takes a byte at least; booleans, which do not, are never in a dictionary.
            Page::DictionaryPage { buf, num_values, .. } if *num_values as usize > buf.len() => {
                refused(u64::from(*num_values), buf.len())
            }
            Page::DataPage { buf, num_values, encoding, .. } => {
                let levels = self.levels.iter().filter(|has| **has).count();
                let data = (0..levels).try_fold(&buf[..], |rest, _| {
                    let (length, rest) = rest.split_first_chunk()?;
                    rest.get(u32::from_le_bytes(*length) as usize..)
                });
                match data.and_then(|data| too_many(data, *encoding, *num_values)) {
                    Some(claimed) => refused(claimed, buf.len()),
                    None => Ok(page),
                }
            }
            Page::DataPageV2 {
                buf, num_values, encoding, def_levels_byte_len, rep_levels_byte_len, ..
            } => {
                let levels = (*def_levels_byte_len as usize).saturating_add(*rep_levels_byte_len as usize);
                match buf.get(levels..).and_then(|data| too_many(data, *encoding, *num_values)) {
                    Some(claimed) => refused(claimed, buf.len()),
                    None => Ok(page),
                }
            }
            Page::DictionaryPage { .. } => Ok(page),
        }
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.pages.get_next_page()?;
        page.map(|page| self.checked(page)).transpose()
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }

    fn supports_deferred_dictionary(&self) -> bool {
        self.pages.supports_deferred_dictionary()
    }

    fn take_deferred_dictionary(&mut self) -> Result<Option<Page>> {
        let page = self.pages.take_deferred_dictionary()?;
        page.map(|page| self.checked(page)).transpose()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.pages.at_record_boundary()
    }
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Result<Page>> {
        self.get_next_page().transpose()
    }
}

/// Lengths of so many values are room that nobody misses.
const HARMLESS: u64 = 1 << 24;

/// The count of a list of lengths that is beyond the page's values and beyond what does no harm; none where all are in order,
/// or broken in a way that their reader says.
fn too_many(mut data: &[u8], encoding: Encoding, values: u32) -> Option<u64> {
    let lists = match encoding {
        Encoding::DELTA_LENGTH_BYTE_ARRAY => 1,
        // Of what each has in common with the one before it, and of the rest.
        Encoding::DELTA_BYTE_ARRAY => 2,
        _ => 0,
    };
    for _ in 0..lists {
        let head = &mut data;
        let (block, parts, count) = (number(head)?, number(head)?, number(head)?);
        if count > HARMLESS.max(u64::from(values)) {
            return Some(count);
        }
        pass_over(head, block, parts, count)?;
    }
    None
}

/// Passes over a list of `DELTA_BINARY_PACKED`, behind its count: the first value, then blocks of parts, each packed by a
/// width of its own.
fn pass_over(data: &mut &[u8], block: u64, parts: u64, count: u64) -> Option<()> {
    number(data)?;
    let in_part = block.checked_div(parts)?;
    let mut left = count.saturating_sub(1);
    while left > 0 {
        // The least difference of the block.
        number(data)?;
        for width in take(data, parts)? {
            if left > 0 {
                take(data, u64::from(*width).checked_mul(in_part)? / 8)?;
                left = left.saturating_sub(in_part.max(1));
            }
        }
    }
    Some(())
}

fn take<'a>(data: &mut &'a [u8], bytes: u64) -> Option<&'a [u8]> {
    let (taken, rest) = data.split_at_checked(usize::try_from(bytes).ok()?)?;
    *data = rest;
    Some(taken)
}

/// A number of seven bits a byte, the lowest first.
fn number(data: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for place in 0..10 {
        let byte = *take(data, 1)?.first()?;
        number |= u64::from(byte & 0x7f).checked_shl(7 * place)?;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_many_more_lengths_than_the_page_has_values_is_told() {
        // Blocks of 128 in 4 parts, so many lengths, and the first of them.
        let list = |count: &[u8]| [&[0x80, 0x01, 4], count, &[2]].concat();
        let (one, a_little_too_many) = (list(&[1]), list(&[0x81, 0x80, 0x80, 0x08]));
        let encoding = Encoding::DELTA_LENGTH_BYTE_ARRAY;
        assert_eq!(too_many(&one, encoding, 1), None);
        assert_eq!(too_many(&a_little_too_many, encoding, 1), Some(HARMLESS + 1));
        assert_eq!(too_many(&a_little_too_many, encoding, 1 << 25), None, "so many the page may have");
        let second = [one, a_little_too_many].concat();
        assert_eq!(too_many(&second, Encoding::DELTA_BYTE_ARRAY, 1), Some(HARMLESS + 1));
    }
}
