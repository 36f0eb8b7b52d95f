//! Turns that follow each other, and several models behind one URL.

use clap::Args;

/// Turns that follow each other, and several models behind one URL.
#[derive(Debug, Args)]
#[command(next_help_heading = "Conversations and models")]
pub struct ConversationArgs {}
