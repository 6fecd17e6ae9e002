//! The agents' commands.
