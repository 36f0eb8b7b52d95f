//! How a server is spoken to: protocol, bodies, addresses.

use clap::Args;

/// How a server is spoken to: protocol, bodies, addresses.
#[derive(Debug, Args)]
#[command(next_help_heading = "Protocol")]
pub struct WireArgs {}
