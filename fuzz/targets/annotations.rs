//! Annotations, a line each, `key=value`: parsed, printed, parsed again, planned.
#![no_main]

use kees_common::{
    Domain, Layout, MountPath, Parsed, Plan, PlanSettings, StoragePrefix, StoreName, output::Format,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let domain = Domain::default();
    let annotations = text.lines().filter_map(|line| line.split_once('='));
    let parsed = Parsed::from_annotations(&domain, annotations);
    for entry in &parsed.entries {
        let value = entry.annotation_value();
        let again = Parsed::from_annotations(&domain, [(entry.annotation.as_str(), value.as_str())]);
        assert_eq!(again.errors, [], "what was printed is refused");
        assert_eq!(again.entries, std::slice::from_ref(entry), "what was printed means something else");
    }
    for store in [StoreName::DynamoDb, StoreName::SecretsManager] {
        let settings = PlanSettings {
            prefix: parsed.options.storage_prefix.clone().unwrap_or_else(StoragePrefix::root),
            store,
            allowed: StoreName::ALL.to_vec(),
            references: None,
            local_mode_allowed: true,
            layout: Layout::under(&MountPath::default(), Format::Properties),
        };
        if let Ok(plan) = Plan::new(&parsed, &settings) {
            for item in &plan.items {
                let path = item.locator.path.as_str();
                assert!(
                    item.locator.path.is_arn()
                        || !path.split('/').skip(1).any(|segment| matches!(segment, "" | "." | "..")),
                    "{path} leads elsewhere"
                );
            }
        }
    }
});
