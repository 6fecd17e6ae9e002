//! An agent's life: told, started, typed to or left alone, ended in good order.

use std::future::pending;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc;

use super::enrol::enrol_unasked;
use super::{StopSignals, launch};
use crate::agent::{Agent, AgentNode, Environment, RunningAgent};
use crate::args::{Accept, AgentArgs, AgentConfig, CommonArgs};
use crate::command::desk::Desk;
use crate::command::{AgentCommand, AgentContext};
use crate::console::{Console, ConsoleOptions};
use crate::event::{EVENT_QUEUE, Event, EventReceiver};
use crate::repl::{self, CommandError};

/// The whole program: parses the command line, serves, reads commands, and shuts down.
pub fn run(agent: impl Agent) -> ExitCode {
    let profile = agent.profile();
    let about = "An agent that talks to other agents, end to end encrypted";
    launch(profile.program, about, |args| live(Arc::new(agent), args))
}

async fn live(agent: Arc<dyn Agent>, args: AgentArgs) -> Result<ExitCode, CommandError> {
    let config = args.resolve(agent.as_ref())?;
    check(&args.common, &config)?;
    let headless = args.common.headless;
    let console = open_console(&args.common, &config)?;
    let mut stop = StopSignals::listen(console.is_interactive())?;
    let (sender, events) = mpsc::channel(EVENT_QUEUE);
    let environment = Environment { told_first: true, ..Environment::default() };
    let running = AgentNode::start(agent.clone(), config, environment, sender).await?;

    let desk = Desk::new(console.clone());
    if headless {
        tokio::spawn(log(events));
    } else {
        tokio::spawn(desk.clone().serve(events));
    }
    greet(&running, &console, headless);
    if headless || agent.unattended() {
        tokio::spawn(enrol_unasked(running.node.clone(), teller(&console, headless)));
    }

    let serves_on = headless || (agent.unattended() && args.common.exec.is_none());
    let context = AgentContext { node: running.node.clone(), desk };
    let code = tokio::select! {
        code = commands(&console, &context, headless, serves_on) => code,
        () = stop.received() => {
            // A script that was cut short has not succeeded.
            if console.is_interactive() || serves_on { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
    };
    let ended = end(running).await;
    console.close();
    ended.map(|()| code)
}

async fn end(running: RunningAgent) -> Result<(), CommandError> {
    let Ok(ended) = tokio::time::timeout(SHUTDOWN_LIMIT, running.shutdown()).await else {
        tracing::warn!("some connections were still open at the end");
        return Ok(());
    };
    Ok(ended?)
}

/// What cannot be meant.
fn check(args: &CommonArgs, config: &AgentConfig) -> Result<(), CommandError> {
    if args.headless && args.exec.is_some() {
        return Err(CommandError::usage("--headless reads no commands, and --exec brings some")
            .with_next("leave one of them out"));
    }
    if args.headless && config.accept == Accept::Ask {
        return Err(CommandError::usage("--headless leaves nobody to ask about requests")
            .with_next("say whom to accept: --accept all, --accept none, or a list of agent ids"));
    }
    Ok(())
}

fn open_console(args: &CommonArgs, config: &AgentConfig) -> Result<Console, CommandError> {
    if args.headless {
        return Ok(Console::headless());
    }
    let history = Some(config.data_dir.join("history"));
    let options = ConsoleOptions { exec: args.exec.clone(), json: args.json, history };
    Console::open(options, repl::vocabulary::<AgentCommand>())
}

/// Reads commands; an agent that serves by itself goes on when there are no more.
async fn commands(console: &Console, context: &AgentContext, headless: bool, serves_on: bool) -> ExitCode {
    if headless {
        return pending().await;
    }
    let prompt = format!("{}> ", context.node.profile().prompt);
    let ended = repl::run::<AgentCommand>(console, context, &prompt).await;
    match ended {
        repl::Ended::InputExhausted if serves_on && !console.is_interactive() => pending().await,
        ended => ended.exit_code(),
    }
}

fn greet(running: &RunningAgent, console: &Console, headless: bool) {
    let (program, agent_id, listen) =
        (running.node.profile().program, running.node.agent_id(), running.local_addr);
    if headless {
        tracing::info!(%listen, agent = %agent_id, "serving");
        return;
    }
    console.print(&format!("{program} listening on https://{listen} as {agent_id}; type help"));
    let address = running.node.address();
    console.print_json(&json!({"event": "listening", "detail": {
        "agent_id": agent_id, "listen": listen, "address": address,
    }}));
}

/// Where an agent that enrols by itself says how it goes.
fn teller(console: &Console, headless: bool) -> impl Fn(&str) + Send + Sync + use<> {
    let console = console.clone();
    move |line| {
        if headless {
            tracing::info!("{line}");
        } else {
            console.print(line);
        }
    }
}

/// What nobody sits in front of goes to the log: who and which session, never what was said.
async fn log(mut events: EventReceiver) {
    while let Some(event) = events.recv().await {
        match event {
            // Dropping the question refuses; policy `ask` is refused at the start, so this is a belt beside
            // braces.
            Event::ConsentWanted(request) => {
                tracing::warn!(peer = %request.agent_id, "nobody to ask: refused");
            }
            Event::ConsentWithdrawn { agent_id, .. } => tracing::info!(peer = %agent_id, "request lapsed"),
            Event::SessionCreated(report) => {
                tracing::info!(peer = %report.peer_agent_id, session = %report.session_id, "session created");
            }
            Event::SessionEstablished(report) => {
                tracing::info!(peer = %report.peer_agent_id, session = %report.session_id, "keys exchanged");
            }
            Event::MessagesReceived(messages) => {
                for message in messages {
                    tracing::info!(peer = %message.from, session = %message.session_id, seq = message.seq, "message");
                }
            }
            Event::SessionClosed(report) => tracing::info!(
                peer = %report.peer_agent_id, session = %report.session_id, cause = ?report.cause, "session closed"
            ),
            // Said where it happened.
            Event::Told(_)
            | Event::Renewed(_)
            | Event::ControllerFollowed(_)
            | Event::Revoked
            | Event::RevocationsStale { .. } => {}
        }
    }
}

/// How long open connections and sessions may take to end.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(8);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::agent::Profile;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: AgentArgs,
    }

    struct Somebody;

    impl Agent for Somebody {
        fn profile(&self) -> Profile {
            let (program, agent_id, name, prompt) = ("somebody", "somebody_001", "Somebody", "somebody_1");
            Profile { program, agent_id, name, prompt, port: 0, methods: &[] }
        }
    }

    fn checked(words: &[&str]) -> Result<(), CommandError> {
        let args = Line::try_parse_from(std::iter::once(&"somebody").chain(words)).unwrap().args;
        check(&args.common, &args.resolve(&Somebody).unwrap())
    }

    #[test]
    fn headless_needs_a_policy_and_brings_no_commands() {
        assert!(checked(&[]).is_ok());
        assert_eq!(checked(&["--headless"]).unwrap_err().exit_code(), 2);
        assert!(checked(&["--headless", "--accept", "all"]).is_ok());
        let both = checked(&["--headless", "--accept", "all", "--exec", "info"]);
        assert_eq!(both.unwrap_err().exit_code(), 2);
    }
}
