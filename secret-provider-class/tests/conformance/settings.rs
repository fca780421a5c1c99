//! Settings of the provider. Those of tokens and of the agent's timeout belong to programs that fetch.

use kees_secret_provider_class::AddressType;

use crate::{cases, list, text};

#[test]
fn every_address_type_is_read_as_the_provider_does() {
    let all = cases("settings.json");
    for case in list(&all["preferred_address_type"], 7) {
        let expected = match text(case, "output") {
            "ipv4" => AddressType::Ipv4,
            "ipv6" => AddressType::Ipv6,
            other => {
                assert_eq!(other, "auto");
                AddressType::Auto
            }
        };
        assert_eq!(AddressType::read(text(case, "input")), expected, "{case}");
    }
}
