//! The picture, from scripted events.
