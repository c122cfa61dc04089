//! Whatever stands in a settings file is settings, or problems that say where they are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use settings::{Needs, parse};

fuzz_target!(|text: &str| {
    let needs = Needs { sites: true, destinations: true };
    let env = |name: &str| Some(format!("value of {name}"));
    match parse(text, "/folder/sluice.toml", needs, &env) {
        Ok(settings) => {
            for destination in &settings.destinations {
                for site in settings.sites_of_destination(&destination.label) {
                    settings.kinds_of_route(&destination.label, site);
                }
            }
        }
        Err(problems) => assert!(!problems.to_string().is_empty()),
    }
});
