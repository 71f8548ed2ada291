//! Nodes as processes, to which what happens to hosts can be done.

use std::{net::SocketAddr, time::Duration};

use tokio::time::sleep;
use trunkline_tests::{Process, free_port};

use crate::{field::Field, history::NodeNumber};

/// Node processes.
#[derive(Debug)]
pub(crate) struct Fleet {
    nodes: Vec<Host>,
}

/// A host: a port, a node's options, and the node that runs there.
#[derive(Debug)]
struct Host {
    port: u16,
    options: Vec<String>,
    process: Process,
    number: NodeNumber,
}

impl Fleet {
    /// Starts so many nodes with the same options and opens them to the field's members.
    pub(crate) fn start(field: &mut Field, count: usize, options: &[&str]) -> Self {
        Self::start_each(field, &vec![options.to_vec(); count])
    }

    /// Starts a node with each of these options and opens it to the field's members.
    pub(crate) fn start_each(field: &mut Field, options: &[Vec<&str>]) -> Self {
        let nodes = options.iter().map(|options| {
            let port = free_port();
            let process = Process::signal_at(port, options);
            let number = field.open(process.public);
            Host {
                port,
                options: options.iter().map(|&option| option.to_owned()).collect(),
                process,
                number,
            }
        });
        Self {
            nodes: nodes.collect(),
        }
    }

    /// Where members come to the nodes, in the order of their hosts.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(|host| host.process.public).collect()
    }

    /// The node that runs at this host now.
    pub(crate) fn number(&self, host: usize) -> NodeNumber {
        self.nodes[host].number
    }

    /// The process that runs at this host now.
    pub(crate) fn process(&mut self, host: usize) -> &mut Process {
        &mut self.nodes[host].process
    }

    /// Kills a node; its members go elsewhere, if there is an elsewhere.
    pub(crate) fn kill(&mut self, field: &mut Field, host: usize) {
        field.will_kill(self.nodes[host].number);
        self.nodes[host].process.kill_9();
    }

    /// Starts a node again where one was killed.
    pub(crate) fn start_again(&mut self, field: &mut Field, host: usize) {
        let place = &mut self.nodes[host];
        let options: Vec<&str> = place.options.iter().map(String::as_str).collect();
        place.process = Process::signal_at(place.port, &options);
        place.number = field.open(place.process.public);
    }

    /// Freezes a node for so long. Members stay with it, but nobody new comes.
    pub(crate) async fn freeze(&self, field: &mut Field, host: usize, length: Duration) {
        let place = &self.nodes[host];
        let since = field.now();
        field.close(place.number);
        place.process.freeze();
        sleep(length).await;
        place.process.thaw();
        field.was_frozen(place.number, since);
        field.open_again(place.number, place.process.public);
    }

    /// The sum of a metric over the nodes that have not been killed.
    pub(crate) async fn sum_of_the_living(&mut self, name: &str) -> f64 {
        let mut sum = 0.0;
        for host in &mut self.nodes {
            if host.process.is_running() {
                sum += host.process.metric(name).await;
            }
        }
        sum
    }

    /// The sum of a metric over all nodes.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let mut sum = 0.0;
        for host in &self.nodes {
            sum += host.process.metric(name).await;
        }
        sum
    }
}
