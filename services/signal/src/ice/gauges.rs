use std::{fmt, sync::Arc};

use backplane::{Health, fleet::Fleet};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

/// What a node knows of the fleet, for `/metrics`.
#[derive(Debug)]
pub(super) struct Gauges(pub(super) Arc<dyn Fleet>);

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let relays = self.0.relays();
        let draining = relays.iter().filter(|relay| relay.draining).count();
        let help = "Relays that this node knows, by what they do";
        let mut metric =
            encoder.encode_descriptor("trunkline_fleet_relays", help, None, MetricType::Gauge)?;
        for (state, count) in [("serving", relays.len() - draining), ("draining", draining)] {
            let gauge = ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX));
            gauge.encode(metric.encode_family(&[("state", state)])?)?;
        }
        let reached = ConstGauge::new(i64::from(self.0.health() == Health::Healthy));
        let metric = encoder.encode_descriptor(
            "trunkline_fleet_reached",
            "1 while the list of relays is read from Redis",
            None,
            reached.metric_type(),
        )?;
        reached.encode(metric)?;
        let unreadable = ConstCounter::new(self.0.unreadable());
        let metric = encoder.encode_descriptor(
            "trunkline_fleet_unreadable",
            "Descriptions of relays that this version cannot read",
            None,
            unreadable.metric_type(),
        )?;
        unreadable.encode(metric)
    }
}
