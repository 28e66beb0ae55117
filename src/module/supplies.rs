//! What the engine's foresight is told of the loaders: which keys are whose, how long values live, what they cost, and how
//! long before its end a value must be asked for again to be there in time.

use std::time::Duration;

use super::engine_thread::Message;
use super::loaders::Loader;
use super::state::State;
use crate::engine::foresight::supply::Supply;

/// What an origin may take beyond twice its p99: the way through the queue and the write.
const MARGIN: Duration = Duration::from_millis(100);

/// A lead that changed by less than this share is not told of.
const NOTABLE: f64 = 0.25;

impl State {
    /// Tells the engine where values come from, after the loaders changed. Without room it is told within a second.
    pub fn publish_supplies(&mut self) {
        let leads: Vec<Duration> = self.loaders.iter().map(|loader| self.lead(loader)).collect();
        let supplies = self.loaders.iter().zip(&leads).map(|(loader, lead)| supply(loader, *lead)).collect();
        self.leads_told = self.engine.send(Message::Supplies(supplies)).is_ok().then_some(leads);
    }

    /// Tells the engine so again if an origin became notably quicker or slower.
    pub fn renew_supplies(&mut self) {
        let leads = self.loaders.iter().map(|loader| self.lead(loader));
        let known = self.leads_told.as_ref().is_some_and(|told| {
            told.len() == self.loaders.iter().count() && told.iter().zip(leads).all(|(then, now)| is_near(*then, now))
        });
        if !known {
            self.publish_supplies();
        }
    }

    /// How long before its end a value of this loader must be asked for again.
    fn lead(&self, loader: &Loader) -> Duration {
        let gauges = self.runtime.gauges(loader.definition.name());
        let p99 = gauges.map_or(0.0, |gauges| gauges.latency.percentiles().p99);
        Duration::from_secs_f64((p99 * 2.0 / 1000.0).clamp(0.0, 3600.0)) + MARGIN
    }
}

fn supply(loader: &Loader, lead: Duration) -> Supply {
    let settings = loader.definition.settings();
    Supply {
        loader: loader.id,
        pattern: loader.definition.pattern().clone(),
        ttl: settings.ttl,
        cost: settings.cost,
        refresh: settings.refresh,
        lead,
    }
}

fn is_near(then: Duration, now: Duration) -> bool {
    (now.as_secs_f64() / then.as_secs_f64() - 1.0).abs() <= NOTABLE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_than_a_quarter_more_or_less_is_near() {
        let ms = Duration::from_millis;
        assert!(is_near(ms(100), ms(120)) && is_near(ms(100), ms(80)));
        assert!(!is_near(ms(100), ms(130)) && !is_near(ms(100), ms(70)));
    }
}
