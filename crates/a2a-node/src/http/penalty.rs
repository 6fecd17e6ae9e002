//! How much one source, and one agent, may ask for, and what guessing costs: generous for agents, dear for a flood.
//!
//! Which failures look like guesses, the routes decide. Everything is in memory, bounded, and forgotten at a restart.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use a2a_core::agent_id::AgentId;
use a2a_core::time::UnixTime;
use axum::http::StatusCode;
use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};

use super::ApiError;
use crate::clock::Clock;

/// Allowances by source address and by agent id, and the sources that have been guessing.
#[derive(Debug)]
pub struct SourceLimits {
    sources: Allowances<IpAddr>,
    agents: Allowances<AgentId>,
    penalties: Mutex<Penalties>,
    ticks: Ticks,
}

/// Requests in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Requests a second, for as long as one likes.
    pub per_second: NonZeroU32,
    /// Requests at once, after a while without any.
    pub burst: NonZeroU32,
}

impl Rate {
    /// So many a second, and five times as many at once.
    pub fn per_second(per_second: NonZeroU32) -> Self {
        Self { per_second, burst: per_second.saturating_mul(FIVE) }
    }
}

impl Default for Rate {
    fn default() -> Self {
        Self::per_second(TWENTY)
    }
}

impl SourceLimits {
    /// `rate` is what each source, and each agent, may ask for.
    pub fn new(rate: Rate, clock: Clock) -> Self {
        let ticks = Ticks { clock, started: Instant::now() };
        Self {
            sources: allowances(rate, ticks.clone()),
            agents: allowances(rate, ticks.clone()),
            penalties: Mutex::default(),
            ticks,
        }
    }

    /// Counts a request against its source. Call it before any work is done for the request.
    pub fn admit(&self, source: IpAddr) -> Result<(), ApiError> {
        let source = network(source);
        if let Some(left) = self.penalties().left(source, self.ticks.now()) {
            return Err(refusal("locked_out", "too many failed attempts from this address", left));
        }
        self.count(&self.sources, &source, "too many requests from this address")
    }

    /// Counts a request against the agent that makes it. Only once the agent has proved who it is: before, anybody could
    /// use up its allowance.
    pub fn admit_agent(&self, agent_id: &AgentId) -> Result<(), ApiError> {
        self.count(&self.agents, agent_id, "too many requests by this agent")
    }

    /// Somebody at `source` has tried what looks like a guess: a token, signature or challenge that is not good. The
    /// fifth within ten minutes locks the source out for a minute, and each one after that for twice as long as the one
    /// before, up to an hour, until an hour has passed without.
    pub fn penalise(&self, source: IpAddr) {
        let source = network(source);
        if let Some(lock) = self.penalties().guessed(source, self.ticks.now()) {
            tracing::warn!(%source, seconds = lock.as_secs(), "locked out after too many failed attempts");
        }
    }

    fn count<K>(&self, allowances: &Allowances<K>, key: &K, error: &str) -> Result<(), ApiError>
    where
        K: Clone + Eq + std::hash::Hash,
    {
        if allowances.len() > MANY {
            allowances.retain_recent();
        }
        let counted = allowances.check_key(key);
        counted.map_err(|until| refusal("rate_limited", error, until.wait_time_from(self.ticks.now())))
    }

    fn penalties(&self) -> MutexGuard<'_, Penalties> {
        self.penalties.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refusal(code: &'static str, error: &str, left: Duration) -> ApiError {
    // The next whole second: who comes back then is let in.
    let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    let message = format!("wait {seconds} s, then try again");
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, code, error, message)
        .with_retry_after(Duration::from_secs(seconds))
}

/// What counts as one source: an IPv4 address, or an IPv6 network of 64 bits, since that is what one customer has.
pub(super) fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address @ IpAddr::V4(_) => address,
    }
}

type Allowances<K> = RateLimiter<K, DefaultKeyedStateStore<K>, Ticks, NoOpMiddleware<Duration>>;

fn allowances<K: Clone + Eq + std::hash::Hash>(rate: Rate, ticks: Ticks) -> Allowances<K> {
    let quota = Quota::per_second(rate.per_second).allow_burst(rate.burst);
    RateLimiter::new(quota, DefaultKeyedStateStore::default(), ticks)
}

/// Time that only goes forward, whatever becomes of the wall clock; in tests, the hand that sets it.
#[derive(Debug, Clone)]
struct Ticks {
    clock: Clock,
    started: Instant,
}

impl governor::clock::Clock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        match &self.clock {
            Clock::System => self.started.elapsed(),
            manual @ Clock::Manual(_) => manual.now().since(UnixTime::from_secs(0)),
        }
    }
}

#[derive(Debug, Default)]
struct Penalties(HashMap<IpAddr, Record>);

/// What is known of one source.
#[derive(Debug, Default)]
struct Record {
    /// When it guessed, since it was last locked out: not older than [`WINDOW`], fewer than [`FREE`].
    guesses: Vec<Duration>,
    /// How often it has been locked out in a row.
    locks: u32,
    /// When the last of these ends.
    locked_until: Duration,
}

impl Penalties {
    /// How much longer a source is locked out.
    fn left(&self, source: IpAddr, now: Duration) -> Option<Duration> {
        let left = self.0.get(&source)?.locked_until.checked_sub(now)?;
        (!left.is_zero()).then_some(left)
    }

    /// Notes a guess; for how long that locks the source out, if it does.
    fn guessed(&mut self, source: IpAddr, now: Duration) -> Option<Duration> {
        // Those that were under way when the lock fell.
        if self.left(source, now).is_some() {
            return None;
        }
        self.make_room(source, now);
        let record = self.0.entry(source).or_default();
        if record.is_forgotten(now) {
            *record = Record::default();
        }
        record.guesses.retain(|guess| now.saturating_sub(*guess) < WINDOW);
        record.guesses.push(now);
        if record.guesses.len() < FREE && record.locks == 0 {
            return None;
        }
        let lock = FIRST_LOCK.saturating_mul(2_u32.saturating_pow(record.locks)).min(LONGEST_LOCK);
        *record = Record { guesses: Vec::new(), locks: record.locks + 1, locked_until: now + lock };
        Some(lock)
    }

    /// When the table is full, what is forgotten goes, and else whoever has the least to lose.
    fn make_room(&mut self, source: IpAddr, now: Duration) {
        if self.0.len() < MANY || self.0.contains_key(&source) {
            return;
        }
        self.0.retain(|_, record| !record.is_forgotten(now));
        if self.0.len() >= MANY {
            let least = self.0.iter().min_by_key(|(_, record)| record.weight());
            if let Some(source) = least.map(|(source, _)| *source) {
                self.0.remove(&source);
            }
        }
    }
}

impl Record {
    fn is_forgotten(&self, now: Duration) -> bool {
        let since = |time: Duration| now.saturating_sub(time);
        let guessing = self.guesses.last().is_some_and(|guess| since(*guess) < WINDOW);
        let punished = self.locks > 0 && since(self.locked_until) < MEMORY;
        !guessing && !punished
    }

    fn weight(&self) -> (Duration, Option<Duration>) {
        (self.locked_until, self.guesses.last().copied())
    }
}

const TWENTY: NonZeroU32 = NonZeroU32::new(20).expect("20 is not zero");
const FIVE: NonZeroU32 = NonZeroU32::new(5).expect("5 is not zero");
/// From so many sources on, those that have their whole allowance again are forgotten; never are more penalties kept.
const MANY: usize = 4096;
/// The guess that locks out for the first time.
const FREE: usize = 5;
/// How long a guess counts towards that.
const WINDOW: Duration = Duration::from_mins(10);
const FIRST_LOCK: Duration = Duration::from_mins(1);
const LONGEST_LOCK: Duration = Duration::from_hours(1);
/// How long after its end a lock is remembered.
const MEMORY: Duration = Duration::from_hours(1);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    struct World {
        limits: SourceLimits,
        clock: Clock,
    }

    impl World {
        fn new() -> Self {
            let clock = Clock::manual(UnixTime::from_secs(1_000_000));
            let limits = SourceLimits::new(Rate::default(), clock.clone());
            Self { limits, clock }
        }

        fn passes(&self, seconds: u64) {
            self.clock.advance(Duration::from_secs(seconds));
        }

        /// Guesses once; for how many seconds that locks it out.
        fn guess(&self, source: IpAddr) -> Option<u64> {
            self.limits.penalise(source);
            self.locked(source)
        }

        fn locked(&self, source: IpAddr) -> Option<u64> {
            let refused = self.limits.admit(source).err()?;
            assert_eq!((refused.status, refused.code), (StatusCode::TOO_MANY_REQUESTS, "locked_out"));
            Some(refused.retry_after.unwrap().as_secs())
        }
    }

    fn source(number: u32) -> IpAddr {
        Ipv4Addr::from_bits(0x0a00_0000 + number).into()
    }

    #[test]
    fn an_allowance_runs_out_and_comes_back() {
        let world = World::new();
        let admitted = |source| (0..1000).take_while(|_| world.limits.admit(source).is_ok()).count();
        assert_eq!(admitted(source(1)), 100);
        let refused = world.limits.admit(source(1)).unwrap_err();
        assert_eq!((refused.status, refused.code), (StatusCode::TOO_MANY_REQUESTS, "rate_limited"));
        assert_eq!(refused.retry_after, Some(Duration::from_secs(1)));
        assert_eq!(admitted(source(2)), 100, "each source has its own");
        world.passes(1);
        assert_eq!(admitted(source(1)), 20);
        world.passes(3600);
        assert_eq!(admitted(source(1)), 100);
    }

    #[test]
    fn agents_have_allowances_of_their_own() {
        let world = World::new();
        let admitted = |id: &str| {
            let id = id.parse().unwrap();
            (0..1000).take_while(|_| world.limits.admit_agent(&id).is_ok()).count()
        };
        assert_eq!((admitted("one"), admitted("one"), admitted("two")), (100, 0, 100));
        assert_eq!(world.locked(source(1)), None);
    }

    #[test]
    fn one_customers_addresses_are_one_source() {
        let same = |a: &str, b: &str| network(a.parse().unwrap()) == network(b.parse().unwrap());
        assert!(same("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"));
        assert!(!same("2001:db8:1:2::1", "2001:db8:1:3::1"));
        assert!(same("::ffff:192.0.2.1", "192.0.2.1"));
        assert!(!same("192.0.2.1", "192.0.2.2"));
    }

    #[test]
    fn the_fifth_guess_locks_out_and_each_later_one_for_twice_as_long() {
        let world = World::new();
        let guesses: Vec<_> = (0..5).map(|_| world.guess(source(1))).collect();
        assert_eq!(guesses, [None, None, None, None, Some(60)]);
        assert_eq!(world.locked(source(2)), None, "nobody else is");
        world.passes(59);
        assert_eq!(world.locked(source(1)), Some(1));
        for minutes in [2, 4, 8, 16, 32, 60, 60] {
            world.passes(world.locked(source(1)).unwrap());
            assert_eq!(world.locked(source(1)), None);
            assert_eq!(world.guess(source(1)), Some(minutes * 60));
        }
    }

    #[test]
    fn guesses_under_way_when_the_lock_fell_change_nothing() {
        let world = World::new();
        for _ in 0..50 {
            world.guess(source(1));
        }
        assert_eq!(world.locked(source(1)), Some(60));
    }

    #[test]
    fn mistakes_now_and_then_are_forgotten() {
        let world = World::new();
        for _ in 0..20 {
            assert_eq!(world.guess(source(1)), None);
            world.passes(151);
        }
        let world = World::new();
        for _ in 0..5 {
            world.guess(source(1));
        }
        world.passes(60 + 3600);
        let guesses: Vec<_> = (0..5).map(|_| world.guess(source(1))).collect();
        assert_eq!(guesses, [None, None, None, None, Some(60)], "as if for the first time");
    }

    #[test]
    fn a_lock_is_remembered_for_an_hour() {
        let world = World::new();
        for _ in 0..5 {
            world.guess(source(1));
        }
        world.passes(60 + 3599);
        assert_eq!(world.guess(source(1)), Some(120));
    }

    #[test]
    fn the_table_is_bounded_and_locks_are_the_last_to_go() {
        let world = World::new();
        for _ in 0..5 {
            world.guess(source(0));
        }
        for number in 1..=2 * u32::try_from(MANY).unwrap() {
            world.limits.penalise(source(number));
        }
        assert_eq!(world.limits.penalties().0.len(), MANY);
        assert!(world.locked(source(0)).is_some());
        world.passes(2 * 3600);
        world.limits.penalise(source(1));
        world.limits.penalise(source(u32::MAX >> 8));
        assert!(world.limits.penalties().0.len() <= 2, "what is forgotten takes no room");
    }

    #[test]
    fn allowances_that_are_whole_again_take_no_room() {
        let world = World::new();
        for number in 0..=u32::try_from(MANY).unwrap() {
            world.limits.admit(source(number)).unwrap();
        }
        world.passes(10);
        world.limits.admit(source(0)).unwrap();
        assert_eq!(world.limits.sources.len(), 1);
    }
}
