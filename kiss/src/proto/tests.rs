//! The messages against bytes that were written by hand from the field numbers and types of kiss 0.1:
//! each field is the byte `number * 8 + 2`, the length, and the content.

use prost::Message;

use super::*;

/// `{metadata: {namespace: "ns"}}`, the beginning of every request.
const META: [u8; 6] = [0x0a, 4, 0x0a, 2, b'n', b's'];
/// `name: "db"`.
const NAME: [u8; 4] = [0x12, 2, b'd', b'b'];

fn meta() -> Option<ClientMeta> {
    Some(ClientMeta {
        namespace: "ns".to_owned(),
    })
}

/// Asserts that `message` is encoded as `bytes`, and that `bytes` are decoded as something that is
/// encoded so.
fn assert_bytes<M: Message + Default>(message: &M, bytes: &[&[u8]]) {
    let bytes = bytes.concat();
    assert_eq!(message.encode_to_vec(), bytes);
    let decoded = M::decode(&bytes[..]).unwrap();
    assert_eq!(decoded.encode_to_vec(), bytes);
}

#[test]
fn requests_have_the_bytes_of_the_original() {
    assert_bytes(&PingRequest { metadata: meta() }, &[&META]);
    assert_bytes(&ListSecretsRequest { metadata: meta() }, &[&META]);
    let create = CreateSecretRequest {
        metadata: meta(),
        name: "db".to_owned(),
        value: "v".to_owned(),
    };
    assert_bytes(&create, &[&META, &NAME, &[0x1a, 1, b'v']]);
    let update = UpdateSecretRequest {
        metadata: meta(),
        name: "db".to_owned(),
        value: "é".to_owned(),
    };
    assert_bytes(&update, &[&META, &NAME, &[0x1a, 2, 0xc3, 0xa9]]);
    let name = || "db".to_owned();
    assert_bytes(
        &DeleteSecretRequest {
            metadata: meta(),
            name: name(),
        },
        &[&META, &NAME],
    );
    let create_policy = CreateSecretIamPolicyRequest {
        metadata: meta(),
        name: name(),
    };
    assert_bytes(&create_policy, &[&META, &NAME]);
    let delete_policy = DeleteSecretIamPolicyRequest {
        metadata: meta(),
        name: name(),
    };
    assert_bytes(&delete_policy, &[&META, &NAME]);
    let bind = BindSecretRequest {
        metadata: meta(),
        name: name(),
        service_account_name: "sa".to_owned(),
    };
    let account = [0x1a, 2, b's', b'a'];
    assert_bytes(&bind, &[&META, &NAME, &account]);
    let unbind = UnbindSecretRequest {
        metadata: meta(),
        name: name(),
        service_account_name: "sa".to_owned(),
    };
    assert_bytes(&unbind, &[&META, &NAME, &account]);
}

#[test]
fn responses_have_the_bytes_of_the_original() {
    let list = ListSecretsResponse {
        secrets: vec!["a".to_owned(), String::new(), "bc".to_owned()],
    };
    assert_bytes(&list, &[&[0x0a, 1, b'a', 0x0a, 0, 0x0a, 2, b'b', b'c']]);
    assert_bytes(&PingResponse {}, &[]);
    assert_bytes(&CreateSecretResponse {}, &[]);
    assert_bytes(&UpdateSecretResponse {}, &[]);
    assert_bytes(&DeleteSecretResponse {}, &[]);
    assert_bytes(&CreateSecretIamPolicyResponse {}, &[]);
    assert_bytes(&DeleteSecretIamPolicyResponse {}, &[]);
    assert_bytes(&BindSecretResponse {}, &[]);
    assert_bytes(&UnbindSecretResponse {}, &[]);
}

/// A length above 127 has two bytes.
#[test]
fn a_long_value_has_the_bytes_of_the_original() {
    let long = CreateSecretRequest {
        metadata: None,
        name: String::new(),
        value: "x".repeat(300),
    };
    assert_bytes(&long, &[&[0x1a, 0xac, 0x02], &[b'x'; 300]]);
}

/// The path of a call is part of the protocol too.
#[test]
fn the_service_has_the_name_of_the_original() {
    assert_eq!(kiss_server::SERVICE_NAME, "kiss.resources.KISS");
    let descriptor = String::from_utf8_lossy(DESCRIPTOR);
    for method in [
        "Ping",
        "CreateSecret",
        "UpdateSecret",
        "DeleteSecret",
        "ListSecrets",
        "CreateSecretIAMPolicy",
        "DeleteSecretIAMPolicy",
        "BindSecret",
    ] {
        assert!(descriptor.contains(method), "{method}");
    }
}
