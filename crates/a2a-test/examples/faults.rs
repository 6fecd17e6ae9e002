//! Agents are killed at random points while they talk, and talk over a network that breaks: nothing is delivered twice, out
//! of order or unsaid, what `send` calls delivered has been printed at the other side, and everybody comes back without help.
//!
//! Run by `scripts/evidence/faults`, which builds the programs first; `A2A_BIN_DIR` is where they are. Takes
//! `killed [CONVERSATIONS]` or `network [MESSAGES]`.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use a2a_test::arena::Arena;
use a2a_test::ledger::Figures;
use a2a_test::man::Man;
use a2a_test::mischief::{self, Deeds};
use a2a_test::pair::{Failed, Pair, Place, Step};
use a2a_test::rough::{Harm, RoughWay};
use fastrand::Rng;
use tokio::task::JoinSet;
use tokio::time::sleep;

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let part = arguments.next().unwrap_or_default();
    let count = arguments.next().map(|count| count.parse().expect("a number"));
    let figures = match part.as_str() {
        "killed" => killed(count.unwrap_or(500)).await,
        "network" => network(count.unwrap_or(400)).await,
        _ => panic!("killed [CONVERSATIONS] or network [MESSAGES]"),
    };
    if figures.hold() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A seed of its own for whatever may have to be had again.
fn seed() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().0
}

/// What is to be known if this is where it goes wrong.
struct Point(String);

impl Drop for Point {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("at {}", self.0);
        }
    }
}

impl Point {
    fn report(&self, flaws: &[String]) {
        for flaw in flaws {
            eprintln!("{flaw}; at {}", self.0);
        }
    }
}

// ---- Killed ----

/// What is killed when, counted.
#[derive(Debug, Default)]
struct Toll {
    conversations: usize,
    kills: [usize; 3],
    restarts: usize,
    setups: usize,
    refused: usize,
    figures: Figures,
}

async fn killed(conversations: usize) -> Figures {
    let (arena, began) = (Arc::new(Arena::start().await), Instant::now());
    let done = Arc::new(AtomicUsize::new(0));
    let mut pairs = JoinSet::new();
    for number in 0..PAIRS {
        let (arena, done) = (arena.clone(), done.clone());
        let share = conversations / PAIRS + usize::from(number < conversations % PAIRS);
        pairs.spawn(async move {
            let places = ["traveller", "helper"].map(|program| Place::new(&format!("{program}_{number}")));
            let mut scene = Scene::start(Pair::start(arena, places).await).await;
            for _ in 0..share {
                scene.conversation(seed()).await;
                let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                if done.is_multiple_of(20) {
                    eprintln!("{done} of {conversations} conversations");
                }
            }
            scene.end().await
        });
    }
    let mut toll = Toll::default();
    while let Some(ended) = pairs.join_next().await {
        toll.add(&ended.unwrap());
    }
    toll.print(began.elapsed());
    assert_eq!(toll.conversations, conversations);
    assert!(toll.kills.iter().all(|kills| *kills > 0), "nobody was killed at some step");
    toll.figures
}

/// A pair, and how long it takes over things.
struct Scene {
    pair: Pair,
    usual: [Duration; 3],
    toll: Toll,
}

/// Who is killed, and when.
#[derive(Debug)]
struct Plan {
    victim: usize,
    /// The number of the step in which it is.
    step: usize,
    /// How far into that step, in thousandths of what it takes.
    thousandths: u32,
    /// Whether the other one, if a command of its own has failed for that, ends by itself.
    gently: bool,
    steps: Vec<Step>,
}

impl Plan {
    fn new(seed: u64) -> Self {
        let mut chance = Rng::with_seed(seed);
        let mut steps = vec![Step::Request, Step::KeyExchange];
        steps.extend((0..ROUNDS).map(|_| round(&mut chance)));
        // Every second one in the set-up.
        let step = if chance.bool() { chance.usize(..2) } else { 2 + chance.usize(..ROUNDS) };
        let thousandths = chance.u32(..1000);
        Self { victim: chance.usize(..2), step, thousandths, gently: chance.bool(), steps }
    }
}

/// Who speaks next: one of the two, or both at the same time.
fn round(chance: &mut Rng) -> Step {
    match chance.u64(..3) {
        0 => Step::Messages { first: true, second: false },
        1 => Step::Messages { first: false, second: true },
        _ => BOTH,
    }
}

const BOTH: Step = Step::Messages { first: true, second: true };

impl Scene {
    async fn start(pair: Pair) -> Self {
        let mut scene = Self { pair, usual: [Duration::ZERO; 3], toll: Toll::default() };
        for step in [Step::Request, Step::KeyExchange, BOTH] {
            scene.take(step).await.unwrap();
        }
        scene.pair.part().await.unwrap();
        scene
    }

    async fn conversation(&mut self, seed: u64) {
        let plan = Plan::new(seed);
        let point = Point(format!("seed {seed}: {plan:?}"));
        for (number, step) in plan.steps.iter().enumerate() {
            if number == plan.step {
                self.strike(*step, &plan).await;
                break;
            }
            self.take_surely(*step).await;
        }
        self.pair.catch_up().await;
        point.report(&self.pair.flaws());
        self.pair.recover(plan.gently).await;
        for step in [Step::Request, Step::KeyExchange].into_iter().chain(plan.steps[2..].iter().copied()) {
            self.take_surely(step).await;
        }
        self.pair.catch_up().await;
        self.pair.part().await.unwrap();
        point.report(&self.pair.flaws());
        self.toll.conversations += 1;
    }

    /// A step in which one of the two is killed. What comes of it is anybody's guess.
    async fn strike(&mut self, step: Step, plan: &Plan) {
        let kill = self.pair.doom(plan.victim);
        // A quarter over, so that some are killed when it has just been done.
        let delay = self.usual[phase(step)] * plan.thousandths / 800;
        let _ = tokio::join!(self.pair.take(step), async {
            sleep(delay).await;
            kill();
        });
        self.toll.kills[phase(step)] += 1;
    }

    /// A step that nothing stands in the way of. One thing may: the one who is asked holds four sessions without keys of a peer,
    /// and those of a peer that has crashed are among them. The oldest gives way when it is half a minute old.
    async fn take_surely(&mut self, step: Step) {
        let taken = self.take(step).await;
        if step == Step::Request && taken.as_ref().is_err_and(is_busy) {
            self.toll.refused += 1;
            sleep(GIVES_WAY_AFTER).await;
            return self.take(step).await.unwrap();
        }
        taken.unwrap();
    }

    async fn take(&mut self, step: Step) -> Result<(), Failed> {
        let began = Instant::now();
        self.pair.take(step).await?;
        self.usual[phase(step)] = began.elapsed();
        Ok(())
    }

    async fn end(mut self) -> Toll {
        self.toll.figures = self.pair.end().await;
        Point("the end".to_owned()).report(&self.pair.flaws());
        Toll { restarts: self.pair.restarts, setups: self.pair.setups, ..self.toll }
    }
}

fn is_busy(error: &Failed) -> bool {
    error.contains("Too many requests or sessions")
}

fn phase(step: Step) -> usize {
    match step {
        Step::Request => 0,
        Step::KeyExchange => 1,
        Step::Messages { .. } => 2,
    }
}

impl Toll {
    fn add(&mut self, other: &Self) {
        self.conversations += other.conversations;
        for (sum, kills) in self.kills.iter_mut().zip(other.kills) {
            *sum += kills;
        }
        self.restarts += other.restarts;
        self.setups += other.setups;
        self.refused += other.refused;
        self.figures += other.figures;
    }

    fn print(&self, took: Duration) {
        let Self { conversations, kills: [request, key_exchange, messages], .. } = self;
        println!("killed: {conversations} conversations of {PAIRS} pairs, {} s", took.as_secs());
        println!("  kill -9 in the request          {request}");
        println!("  kill -9 in the key exchange     {key_exchange}");
        println!("  kill -9 among the messages      {messages}");
        println!(
            "  programs started again          {}, {} of them enrolled again",
            self.restarts, self.setups
        );
        println!("  had four sessions without keys  {}", self.refused);
        println!("{}", self.figures);
    }
}

// ---- Network ----

async fn network(messages: usize) -> Figures {
    let mut figures = rough(messages).await;
    figures += confused(messages).await;
    figures
}

/// Both ways are rough.
async fn rough(messages: usize) -> Figures {
    let seed = seed();
    let _point = Point(format!("a rough network of seed {seed}"));
    let (arena, mut chance, mut ways) = (Arc::new(Arena::start().await), Rng::with_seed(seed), Vec::new());
    let mut places = [Place::new("traveller_1"), Place::new("helper_1")];
    for place in &mut places {
        let way = RoughWay::to(place.listen, chance.fork()).await;
        place.address = Some(format!("https://localhost:{}", way.socket.port()).parse().unwrap());
        ways.push(way);
    }
    let talk = Talk::until(messages, Pair::start(arena, places).await, &mut chance).await;
    talk.print("network: delays, cuts, half-closed connections");
    let of = |count: fn(&Harm) -> &AtomicUsize| done(ways.iter().map(|way| count(&way.harm)));
    println!("  connections                     {}", of(|harm| &harm.connections));
    println!("  delays                          {}", of(|harm| &harm.delays));
    println!("  cuts                            {}", of(|harm| &harm.cuts));
    println!("  half-closed                     {}", of(|harm| &harm.half_closed));
    println!("{}", talk.figures);
    talk.figures
}

/// A man inside TLS before each of the two.
async fn confused(messages: usize) -> Figures {
    let seed = seed();
    let _point = Point(format!("mischief of seed {seed}"));
    let (arena, mut chance, mut deeds) = (Arc::new(Arena::start().await), Rng::with_seed(seed), Vec::new());
    let mut places = [Place::new("traveller_1"), Place::new("helper_1")];
    for place in &mut places {
        let man = Man::start().await;
        man.put_tls_key(&arena.world.path().join(&place.name));
        place.address = Some(man.address.clone());
        deeds.push(mischief::make(&man, place.listen, chance.fork()));
    }
    let talk = Talk::until(messages, Pair::start(arena, places).await, &mut chance).await;
    talk.print("network: calls that change their order, calls twice, lost answers");
    let of = |count: fn(&Deeds) -> &AtomicUsize| done(deeds.iter().map(|deeds| count(deeds)));
    println!("  calls overtaken by later ones   {}", of(|deeds| &deeds.held));
    println!("  calls made twice                {}", of(|deeds| &deeds.doubled));
    println!("  answers lost                    {}", of(|deeds| &deeds.lost));
    println!("{}", talk.figures);
    talk.figures
}

/// How often something was done on purpose.
fn done<'a>(counts: impl Iterator<Item = &'a AtomicUsize>) -> usize {
    let sum = counts.map(|count| count.load(Ordering::Relaxed)).sum();
    assert!(sum > 0, "nothing has gone wrong");
    sum
}

/// What became of two who went on talking.
#[derive(Debug, Default)]
struct Talk {
    took: Duration,
    sessions: usize,
    failed_to_meet: usize,
    failed_to_say: usize,
    restarts: usize,
    refused: usize,
    figures: Figures,
}

impl Talk {
    /// Until so many messages have been acknowledged. A program that is given its commands ends when one fails: it is started
    /// again, and they meet anew.
    async fn until(messages: usize, mut pair: Pair, chance: &mut Rng) -> Self {
        let (mut talk, began, mut in_vain) = (Self::default(), Instant::now(), 0);
        while pair.acknowledged() < messages {
            in_vain += 1;
            let done = talk.go_on(&mut pair, chance).await;
            match done {
                Ok(()) => in_vain = 0,
                Err(error) if is_busy(&error) => {
                    talk.refused += 1;
                    sleep(GIVES_WAY_AFTER).await;
                }
                Err(error) => assert!(in_vain < PATIENCE, "{in_vain} times in a row: {error}"),
            }
            pair.recover(chance.bool()).await;
            Point(format!("message {}", pair.acknowledged())).report(&pair.flaws());
        }
        pair.catch_up().await;
        talk.figures = pair.end().await;
        Point("the end".to_owned()).report(&pair.flaws());
        Self { took: began.elapsed(), restarts: pair.restarts, ..talk }
    }

    async fn go_on(&mut self, pair: &mut Pair, chance: &mut Rng) -> Result<(), Failed> {
        if pair.session.is_some() {
            let said = pair.take(round(chance)).await;
            self.failed_to_say += usize::from(said.is_err());
            return said;
        }
        let met = pair.meet().await;
        self.sessions += usize::from(met.is_ok());
        self.failed_to_meet += usize::from(met.is_err());
        met
    }

    fn print(&self, title: &str) {
        println!("{title}, {} s", self.took.as_secs());
        println!("  sessions                        {}", self.sessions);
        println!("  set-ups that failed             {}", self.failed_to_meet);
        println!("  sends that failed               {}", self.failed_to_say);
        println!("  programs started again          {}", self.restarts);
        println!("  had four sessions without keys  {}", self.refused);
    }
}

const PAIRS: usize = 4;
/// Rounds of messages in a conversation, and again after the kill.
const ROUNDS: usize = 6;
/// How old the oldest of a peer's four sessions without keys is when it gives way to the peer's next.
const GIVES_WAY_AFTER: Duration = Duration::from_secs(30);
/// Failures in a row that may be bad luck.
const PATIENCE: usize = 40;
