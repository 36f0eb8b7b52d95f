//! The formats that are known, in the order in which a file is held against them.

use super::aibrix::AIBRIX;
use super::azure::AZURE;
use super::bailian::BAILIAN;
use super::burstgpt::BURSTGPT;
use super::mooncake::MOONCAKE;
use super::ragpulse::RAGPULSE;
use super::rows::Format;
use super::vidur::VIDUR;

/// No file is of two of them.
pub(super) const FORMATS: &[Format] = &[AZURE, BURSTGPT, VIDUR, MOONCAKE, BAILIAN, RAGPULSE, AIBRIX];
