//! Starts an agent.
