//! The controller as a program. All that it is lives in the library, so that tests can run it in their own process.

use std::process::ExitCode;

fn main() -> ExitCode {
    controller::run()
}
