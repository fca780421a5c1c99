//! Tokens of a provider that the tests play, with keys of all kinds.

use std::sync::LazyLock;

use aws_lc_rs::{
    encoding::AsDer as _,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
        ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256,
        RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512,
        RsaEncoding, RsaKeyPair,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rstest::rstest;
use serde_json::json;

use super::*;

const NOW: i64 = 1_800_000_000;

/// The keys of the provider, made once.
pub(crate) struct Provider {
    rsa: RsaKeyPair,
    p256: EcdsaKeyPair,
    p384: EcdsaKeyPair,
    p521: EcdsaKeyPair,
}

pub(crate) static PROVIDER: LazyLock<Provider> = LazyLock::new(|| Provider {
    rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
    p256: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
    p384: EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap(),
    p521: EcdsaKeyPair::generate(&ECDSA_P521_SHA512_FIXED_SIGNING).unwrap(),
});

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Provider {
    fn curve(id: &str, name: &str, pair: &EcdsaKeyPair) -> Value {
        let point = &pair.public_key().as_ref()[1..];
        let (x, y) = point.split_at(point.len() / 2);
        json!({"kty": "EC", "kid": id, "crv": name, "x": encode(x), "y": encode(y), "use": "sig"})
    }

    fn rsa(&self, id: &str) -> Value {
        let public = self.rsa.public_key();
        let (n, e) = (
            public.modulus().big_endian_without_leading_zero(),
            public.exponent().big_endian_without_leading_zero(),
        );
        json!({"kty": "RSA", "kid": id, "n": encode(n), "e": encode(e)})
    }

    pub(crate) fn keys(&self) -> KeySet {
        let mut only_rs256 = self.rsa("only-rs256");
        only_rs256["alg"] = "RS256".into();
        let mut encryption = self.rsa("encryption");
        encryption["use"] = "enc".into();
        let keys = json!({"keys": [
            self.rsa("rsa"), only_rs256, encryption,
            Self::curve("p256", "P-256", &self.p256),
            Self::curve("p384", "P-384", &self.p384),
            Self::curve("p521", "P-521", &self.p521),
            // Keys of which nothing is known are left out.
            {"kty": "OKP", "kid": "okp", "crv": "Ed25519", "x": "AA"}, {"kty": "RSA"}, 7,
        ]});
        KeySet::parse(keys.to_string().as_bytes()).unwrap()
    }

    fn sign(&self, algorithm: &str, message: &str) -> Vec<u8> {
        let random = SystemRandom::new();
        let rsa = |encoding: &'static dyn RsaEncoding| {
            let mut signature = vec![0; self.rsa.public_modulus_len()];
            self.rsa
                .sign(encoding, &random, message.as_bytes(), &mut signature)
                .unwrap();
            signature
        };
        let curve = |pair: &EcdsaKeyPair| {
            let signature = pair.sign(&random, message.as_bytes()).unwrap();
            signature.as_ref().to_vec()
        };
        match algorithm {
            "RS256" => rsa(&RSA_PKCS1_SHA256),
            "RS384" => rsa(&RSA_PKCS1_SHA384),
            "RS512" => rsa(&RSA_PKCS1_SHA512),
            "PS256" => rsa(&RSA_PSS_SHA256),
            "PS384" => rsa(&RSA_PSS_SHA384),
            "PS512" => rsa(&RSA_PSS_SHA512),
            "ES256" => curve(&self.p256),
            "ES384" => curve(&self.p384),
            "ES512" => curve(&self.p521),
            other => panic!("{other}"),
        }
    }

    fn token_of(&self, algorithm: &str, header: &Value, claims: &Value) -> String {
        let signed = format!(
            "{}.{}",
            encode(header.to_string()),
            encode(claims.to_string())
        );
        let signature = encode(self.sign(algorithm, &signed));
        format!("{signed}.{signature}")
    }

    /// A token of RS256.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.token_of("RS256", &json!({"alg": "RS256", "kid": "rsa"}), claims)
    }
}

fn claims() -> Value {
    json!({
        "iss": "https://issuer", "aud": ["kubernetes", "kiss"], "token_use": "id",
        "exp": NOW + 1, "nbf": NOW, "iat": NOW,
        "email": "ada@example.com", "cognito:groups": ["team-a", "team-ä"],
    })
}

fn rules() -> ClaimRules {
    ClaimRules {
        user: "email".to_owned(),
        groups: "cognito:groups".to_owned(),
        ..ClaimRules::default()
    }
}

fn verified_by(token: &str, rules: &ClaimRules) -> Result<Claims, String> {
    Unverified::parse(token)
        .and_then(|unverified| unverified.verify(&PROVIDER.keys(), rules, NOW))
        .map_err(|error| error.to_string())
}

fn verified(token: &str) -> Result<Claims, String> {
    verified_by(token, &rules())
}

#[rstest]
#[case("RS256", "rsa")]
#[case("RS384", "rsa")]
#[case("RS512", "rsa")]
#[case("PS256", "rsa")]
#[case("PS384", "rsa")]
#[case("PS512", "rsa")]
#[case("RS256", "only-rs256")]
#[case("ES256", "p256")]
#[case("ES384", "p384")]
#[case("ES512", "p521")]
fn each_algorithm_is_accepted_until_a_byte_changes(#[case] algorithm: &str, #[case] key: &str) {
    let header = json!({"alg": algorithm, "kid": key, "typ": "JWT"});
    let token = PROVIDER.token_of(algorithm, &header, &claims());
    let expected = Claims {
        user: "ada@example.com".to_owned(),
        groups: vec!["team-a".to_owned(), "team-ä".to_owned()],
    };
    assert_eq!(verified(&token), Ok(expected));

    let (signed, signature) = token.rsplit_once('.').unwrap();
    let mut changed = keys::decode(signature).unwrap();
    changed[20] ^= 1;
    let changed = format!("{signed}.{}", encode(changed));
    assert_eq!(
        verified(&changed),
        Err("the token's signature is wrong".to_owned())
    );
    let mut other = claims();
    other["email"] = "eve@example.com".into();
    let (header, _) = signed.split_once('.').unwrap();
    let changed = format!("{header}.{}.{signature}", encode(other.to_string()));
    assert_eq!(
        verified(&changed),
        Err("the token's signature is wrong".to_owned())
    );
}

/// The key decides what an algorithm may be, not the token.
#[rstest]
#[case("RS256", "p256")]
#[case("ES256", "rsa")]
#[case("ES256", "p384")]
#[case("PS256", "only-rs256")]
fn a_key_of_another_kind_is_refused(#[case] algorithm: &str, #[case] key: &str) {
    let header = json!({"alg": algorithm, "kid": key});
    let token = PROVIDER.token_of(algorithm, &header, &claims());
    assert_eq!(
        verified(&token),
        Err("the token's signature is wrong".to_owned())
    );
}

#[rstest]
#[case("encryption")]
#[case("okp")]
#[case("unknown")]
fn a_key_that_is_not_for_signatures_is_unknown(#[case] key: &str) {
    let token = PROVIDER.token_of("RS256", &json!({"alg": "RS256", "kid": key}), &claims());
    let message = "the token's key is not one of the provider's keys";
    assert_eq!(verified(&token), Err(message.to_owned()));
}

#[rstest]
#[case("none")]
#[case("None")]
#[case("EdDSA")]
#[case("")]
fn other_algorithms_are_refused(#[case] algorithm: &str) {
    let header = encode(json!({"alg": algorithm, "kid": "rsa"}).to_string());
    let token = format!("{header}.{}.", encode(claims().to_string()));
    assert!(verified(&token).unwrap_err().contains("algorithm"));
}

/// With a public key as the secret of an HMAC, a verifier that trusts `alg` accepts everybody's tokens.
#[test]
fn an_hmac_with_the_public_key_is_refused() {
    let der = PROVIDER.rsa.public_key().as_der().unwrap();
    let header = encode(json!({"alg": "HS256", "kid": "rsa"}).to_string());
    let signed = format!("{header}.{}", encode(claims().to_string()));
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, der.as_ref());
    let tag = aws_lc_rs::hmac::sign(&key, signed.as_bytes());
    let token = format!("{signed}.{}", encode(tag));
    assert!(verified(&token).unwrap_err().contains("algorithm"));
}

#[test]
fn a_key_id_is_required_and_an_extension_is_refused() {
    let token = PROVIDER.token_of("RS256", &json!({"alg": "RS256"}), &claims());
    assert_eq!(
        verified(&token),
        Err("the token has no key id (`kid`)".to_owned())
    );
    let header = json!({"alg": "RS256", "kid": "rsa", "crit": ["b64"], "b64": false});
    let token = PROVIDER.token_of("RS256", &header, &claims());
    assert!(verified(&token).unwrap_err().contains("`crit`"));
}

#[rstest]
#[case::empty("")]
#[case::two_parts("a.b")]
#[case::four_parts("e30.e30.e30.e30")]
#[case::encrypted("e30.e30.e30.e30.e30")]
#[case::no_base64("?.?.?")]
#[case::list("W10.e30.")]
fn a_text_that_is_no_token_is_refused(#[case] token: &str) {
    assert_eq!(
        verified(token),
        Err("the token is no JSON Web Token".to_owned())
    );
}

#[rstest]
#[case("Bearer ")]
#[case("bearer ")]
fn a_scheme_is_refused(#[case] scheme: &str) {
    let token = format!("{scheme}{}", PROVIDER.token(&claims()));
    assert!(verified(&token).unwrap_err().contains("without `Bearer`"));
}

#[rstest]
#[case::expired("exp", json!(NOW), "the token has expired: log in again")]
#[case::long_expired("exp", json!(0), "the token has expired: log in again")]
#[case::negative("exp", json!(-1.5), "the token has expired: log in again")]
#[case::expiry_as_text("exp", json!("9999999999"), "the token's claim `exp` is not a number")]
#[case::expiry_null("exp", json!(null), "the token's claim `exp` is not a number")]
#[case::early("nbf", json!(NOW + 1), "the token is not valid yet (`nbf`)")]
#[case::early_by_a_fraction("nbf", json!(1_800_000_000.5), "the token is not valid yet (`nbf`)")]
#[case::issued_in_the_future("iat", json!(NOW + 1), "the token is not valid yet (`iat`)")]
#[case::time_as_list("iat", json!([]), "the token's claim `iat` is not a number")]
#[case::user_as_number("email", json!(7), "the token's claim `email` is not a text that is not empty")]
#[case::user_empty("email", json!(""), "the token's claim `email` is not a text that is not empty")]
#[case::groups_as_text("cognito:groups", json!("team"), "the token's claim `cognito:groups` is not a list of texts")]
#[case::groups_as_object("cognito:groups", json!({"a": 1}), "the token's claim `cognito:groups` is not a list of texts")]
#[case::group_as_number("cognito:groups", json!(["a", 1]), "the token's claim `cognito:groups` is not a list of texts")]
fn a_wrong_claim_is_refused(#[case] claim: &str, #[case] value: Value, #[case] message: &str) {
    let mut claims = claims();
    claims[claim] = value;
    assert_eq!(verified(&PROVIDER.token(&claims)), Err(message.to_owned()));
}

#[rstest]
#[case("exp")]
#[case("email")]
#[case("cognito:groups")]
fn a_claim_that_is_needed_is_missed(#[case] claim: &str) {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(claim);
    let message = format!("the token has no claim `{claim}`");
    assert_eq!(verified(&PROVIDER.token(&claims)), Err(message));
}

#[test]
fn times_apart_from_the_expiry_may_be_absent() {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove("nbf");
    claims.as_object_mut().unwrap().remove("iat");
    verified(&PROVIDER.token(&claims)).unwrap();
}

#[test]
fn issuer_audience_and_use_are_checked_where_configured() {
    let strict = ClaimRules {
        issuer: Some("https://issuer".to_owned()),
        audiences: vec!["kiss".to_owned()],
        token_use: Some("id".to_owned()),
        ..rules()
    };
    verified_by(&PROVIDER.token(&claims()), &strict).unwrap();
    let mut one_audience = claims();
    one_audience["aud"] = "kiss".into();
    verified_by(&PROVIDER.token(&one_audience), &strict).unwrap();
    for (claim, value) in [
        ("iss", json!("https://issuer/")),
        ("iss", json!(null)),
        ("aud", json!("kubernetes")),
        ("aud", json!(["a", 7])),
        ("aud", json!(7)),
        ("token_use", json!("access")),
    ] {
        let mut claims = claims();
        claims[claim] = value;
        let error = verified_by(&PROVIDER.token(&claims), &strict).unwrap_err();
        let message = format!("the token is not meant for this service (`{claim}`)");
        assert_eq!(error, message);
    }
}

#[test]
fn ten_thousand_groups_are_read() {
    let mut claims = claims();
    let groups: Vec<_> = (0..10_000).map(|number| format!("team-{number}")).collect();
    claims["cognito:groups"] = json!(groups);
    assert_eq!(verified(&PROVIDER.token(&claims)).unwrap().groups, groups);
}
