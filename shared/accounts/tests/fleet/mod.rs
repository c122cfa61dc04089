//! Several processes' worth of clients of one simulated account, each with a connection to the log of its own.

#![allow(dead_code, reason = "each test file uses its part")]

use appliance::{Client, Clients};
use appliance_simulator::{Options, RunningSimulator, Simulator};
use nats_server::NatsServer;
use queue::{Log, LogOptions};
use settings::{Needs, Settings};

pub struct Fleet {
    pub site: RunningSimulator,
    url: String,
    prefix: String,
}

impl Fleet {
    /// A site with these options, and a log of its own in this server.
    pub async fn of(server: &NatsServer, options: Options) -> Fleet {
        let site = Simulator::start(options).await.expect("a free port");
        Fleet { site, url: server.url(), prefix: server.fresh_prefix() }
    }

    pub async fn log(&self) -> Log {
        let options =
            LogOptions { prefix: self.prefix.clone(), ..LogOptions::plain(&self.url, "a test") };
        Log::connect(&options).await.expect("the server runs")
    }

    /// As one process has it that was given these settings and this secret.
    pub async fn process(&self, lines: &str, secret: &str) -> Client {
        let clients = self.clients(lines, secret).await;
        clients.iter().next().expect("there is one site").clone()
    }

    pub async fn processes(&self, count: usize, lines: &str) -> Vec<Client> {
        let secret = self.site.options().client_secret.clone();
        let mut clients = Vec::new();
        for _ in 0..count {
            clients.push(self.process(lines, &secret).await);
        }
        clients
    }

    pub async fn clients(&self, lines: &str, secret: &str) -> Clients {
        let settings = self.settings(lines, secret);
        accounts::clients(&settings, &self.log().await).await.expect("the log answers")
    }

    pub fn settings(&self, lines: &str, secret: &str) -> Settings {
        let options = self.site.options();
        let text = format!(
            "[site.hq]\nhost = \"{}\"\nurl = \"{}\"\nproduct = \"remote-support\"\nproxy = \"none\"\n\
             client_id = \"{}\"\nclient_secret = {{ env = \"SECRET\" }}\n{lines}\n",
            options.host,
            self.site.url(),
            options.client_id,
        );
        let env = |name: &str| (name == "SECRET").then(|| secret.to_owned());
        let needs = Needs { sites: true, destinations: false };
        settings::parse(&text, "/test/sluice.toml", needs, &env)
            .unwrap_or_else(|problems| panic!("{problems}"))
    }
}
