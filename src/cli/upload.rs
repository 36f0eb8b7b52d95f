//! Where results are copied to.

use clap::Args;

/// Where results are copied to.
#[derive(Debug, Default, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct UploadArgs {
    /// Copy the results there once they are closed: s3://BUCKET/PATH, gs://BUCKET/PATH, az://CONTAINER/PATH or
    /// file:///DIRECTORY, each run in a folder of its own. Credentials by the cloud's own variables
    #[arg(long, value_name = "URL")]
    pub upload: Option<String>,
    /// The same as --upload gs://NAME/PATH
    #[arg(long, value_name = "NAME", conflicts_with = "upload")]
    pub output_bucket: Option<String>,
    /// The PATH in it; without it the bucket's root
    #[arg(long, value_name = "PATH", requires = "output_bucket")]
    pub output_bucket_filepath: Option<String>,
}
