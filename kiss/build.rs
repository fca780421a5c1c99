//! Generates the messages, the client and the server of `proto/kiss.proto`. The compiler of the
//! protocol is a Rust library, so no `protoc` is needed.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto/kiss.proto");
    let files = protox::compile(["kiss.proto"], ["proto"])?;
    // For the reflection service.
    let folder = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(folder.join("kiss.bin"), files.encode_to_vec())?;
    tonic_prost_build::configure()
        .build_client(env::var_os("CARGO_FEATURE_CLIENT").is_some())
        .build_server(env::var_os("CARGO_FEATURE_SERVER").is_some())
        .build_transport(false)
        // A value must not be printed.
        .skip_debug([
            ".kiss.resources.CreateSecretRequest",
            ".kiss.resources.UpdateSecretRequest",
        ])
        .compile_fds(files)?;
    Ok(())
}
