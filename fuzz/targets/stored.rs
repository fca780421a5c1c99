//! Values of a hostile or damaged table: parsed and verified.
//!
//! The first byte chooses the type and where the rest is cut into the fields of a generation.
#![no_main]

use kees_common::{Field, Locator, Member, SecretType, SecretValue, StoragePath};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let secret_type = SecretType::ALL[usize::from(choice / 8) % SecretType::ALL.len()];
    let fields = secret_type.fields();
    if let Ok(text) = std::str::from_utf8(rest) {
        let _ = SecretValue::from_base64(text);
        for field in fields {
            let Ok(path) = "/fuzz/secret".parse::<StoragePath>() else { return };
            let locator = Locator {
                member: (*field != Field::Whole).then(|| Member {
                    secret: path.clone(),
                    field: *field,
                    secret_type,
                }),
                path,
                property: (choice & 4 != 0).then(|| "/a/0".to_owned()),
                version_stage: None,
                version_id: None,
                is_previous: false,
            };
            let _ = kees_store::secretsmanager::fuzz_value(text, &locator);
        }
    }
    let parts: Vec<SecretValue> = rest
        .splitn(fields.len(), |byte| *byte == 0)
        .map(|part| SecretValue::new(part.to_vec()))
        .collect();
    let values: Vec<(Field, &SecretValue)> = fields.iter().copied().zip(&parts).collect();
    let _ = kees_generate::verify(secret_type, &values);
});
