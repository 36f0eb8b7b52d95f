//! The figures against truths worked out by hand.
