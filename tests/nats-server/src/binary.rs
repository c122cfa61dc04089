use std::path::{Path, PathBuf};

/// Names the binary, where it is not to be looked for.
const VARIABLE: &str = "SLUICE_NATS_SERVER";

/// The nats-server program: the one that the environment names, else the one in the workspace's tools folder, else the
/// PATH's.
///
/// # Panics
/// When there is none.
pub fn program() -> PathBuf {
    if let Some(named) = std::env::var_os(VARIABLE) {
        let named = PathBuf::from(named);
        assert!(named.is_file(), "{VARIABLE} names {}, which is no file", named.display());
        return named;
    }
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/nats-server");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("nats-server"));
    std::iter::once(tools)
        .chain(on_path)
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| panic!("there is no nats-server to test with: run `make tools`"))
}
