//! Whatever stands in a connection string is understood or refused, and no refusal tells its password.
#![no_main]

use libfuzzer_sys::fuzz_target;

/// The reader is nobody's business but the sink's, so it is taken from there as it stands.
#[path = "../../../services/sql-sink/src/store/sql_server"]
#[allow(dead_code, unused_imports, reason = "the sink uses the rest of it")]
mod sql_server {
    mod connection_string;

    pub fn read(text: &str) -> Result<String, String> {
        let read = connection_string::Target::read(text);
        read.map(|target| target.place()).map_err(|error| error.to_string())
    }
}

const SECRET: &str = "Zq9-#-9qZ";

fuzz_target!(|text: &str| {
    drop(sql_server::read(text));
    for string in [
        format!("{text};Password={SECRET}"),
        format!("Server=tcp:a;User ID=b;Password={SECRET};{text}"),
        format!("Server=tcp:a;Password=\"{SECRET}\";{text}"),
    ] {
        let (Ok(told) | Err(told)) = sql_server::read(&string);
        assert!(!told.contains(SECRET), "{told}");
    }
});
