//! Previous values (`previous=true`) in templates, files and keystores: before a rotation, after it, and
//! after the previous generation was removed.

use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

use kees_init::Generator;
use kees_store::{
    RetryBudget,
    rotation::{Rotated, retire, rotate},
};

use crate::{
    output::openssl,
    pod::{Pod, Scripted},
};

fn budget() -> RetryBudget {
    RetryBudget::new(Duration::from_secs(10))
}

/// Rotates every generation of a pod.
async fn rotate_all(pod: &Pod, annotations: &[(&str, &str)], stores: &Scripted) {
    let request = pod.request(annotations).unwrap();
    for generation in &request.plan().generations {
        let (generator, mut budget) = (Generator::default(), budget());
        let rotated = rotate(
            &stores.memory,
            generation,
            &generator,
            |_| true,
            &mut budget,
        );
        assert!(matches!(rotated.await, Ok(Rotated::Rotated)));
    }
}

/// Removes every previous generation of a pod.
async fn retire_all(pod: &Pod, annotations: &[(&str, &str)], stores: &Scripted) {
    let request = pod.request(annotations).unwrap();
    for generation in &request.plan().generations {
        let mut budget = budget();
        let retired = retire(&stores.memory, generation, |_| true, &mut budget);
        assert!(matches!(retired.await, Ok(true)));
    }
}

const TOKEN: (&str, &str) = (
    "secret/tok",
    "kind=DYNAMIC,type=PASSWORD,size=128,previous=true",
);

#[tokio::test]
async fn a_template_has_the_previous_values_that_there_are() {
    let (pod, stores) = (Pod::new(), Scripted::default());
    let template = "{{ secret.tok }} {{ secret[\"tok.previous\"] | default(\"-\") }} {{ resource.cfg }} \
                    {% if resource[\"cfg.previous\"] is defined %}{{ resource[\"cfg.previous\"] }}{% endif %}";
    let annotations = [
        TOKEN,
        ("resource/cfg", "storageKey=tok,previous=true"),
        ("init/template.app.conf", template),
    ];
    pod.run(&[TOKEN], &stores).await.unwrap();
    pod.run(&annotations, &stores).await.unwrap();
    let old = pod.read("cfg");
    assert_eq!(pod.read("app.conf"), format!("{old} - {old} "));

    rotate_all(&pod, &annotations, &stores).await;
    pod.run(&annotations, &stores).await.unwrap();
    let new = pod.read("cfg");
    assert_ne!(new, old);
    assert_eq!(pod.read("app.conf"), format!("{new} {old} {new} {old}"));
    assert_eq!(pod.read("cfg.previous"), old);
}

#[tokio::test]
async fn a_template_that_needs_a_previous_value_is_an_error_while_there_is_none() {
    let (pod, stores) = (Pod::new(), Scripted::default());
    let annotations = [
        TOKEN,
        ("init/template.app.conf", "{{ secret[\"tok.previous\"] }}"),
    ];
    let error = pod.run(&annotations, &stores).await.unwrap_err();
    assert!(
        error.to_string().contains("a value is not there"),
        "{error}"
    );
    rotate_all(&pod, &annotations, &stores).await;
    pod.run(&annotations, &stores).await.unwrap();
    let old = pod.list("secrets.properties").remove("tok.previous");
    assert_eq!(pod.read("app.conf").as_bytes(), old.unwrap().expose());
}

#[tokio::test]
async fn a_previous_value_has_its_file_while_there_is_one() {
    let (pod, stores) = (Pod::new(), Scripted::default());
    let annotations = [TOKEN, ("init/file.tok.previous", "path=tls/old,mode=0400")];
    pod.run(&annotations, &stores).await.unwrap();
    let old = pod.list("secrets.properties").remove("tok").unwrap();
    assert!(!pod.path("tls/old").exists());
    rotate_all(&pod, &annotations, &stores).await;
    pod.run(&annotations, &stores).await.unwrap();
    assert_eq!(pod.read("tls/old").as_bytes(), old.expose());
    let file = fs::metadata(pod.path("tls/old")).unwrap();
    assert_eq!(file.permissions().mode() & 0o7777, 0o400);
    retire_all(&pod, &annotations, &stores).await;
    let next = Pod::new();
    next.run(&annotations, &stores).await.unwrap();
    assert!(!next.path("tls/old").exists());
}

#[tokio::test]
async fn a_keystore_with_a_previous_key_is_there_while_there_is_one() {
    let (pod, stores) = (Pod::new(), Scripted::default());
    let annotations = [
        (
            "init/keystore.server.p12",
            "key=tls_private.previous,certificate=tls,password=tls-password",
        ),
        (
            "secret/tls_private",
            "kind=DYNAMIC,type=EC,size=256,previous=true",
        ),
        ("resource/tls", ""),
        ("secret/tls-password", "kind=DYNAMIC,type=PASSWORD,size=128"),
    ];
    stores.put("/tls", "not needed yet");
    pod.run(&annotations, &stores).await.unwrap();
    assert!(!pod.path("server.p12").exists());

    let old = pod
        .list("secrets.properties")
        .remove("tls_private")
        .unwrap();
    let key = rcgen::KeyPair::try_from(old.expose()).unwrap();
    let parameters = rcgen::CertificateParams::new(["server.example.com".to_owned()]).unwrap();
    let certificate = parameters.self_signed(&key).unwrap().pem();
    stores.put("/tls", certificate.as_str());
    rotate_all(&pod, &annotations, &stores).await;
    pod.run(&annotations, &stores).await.unwrap();
    let password = pod
        .list("secrets.properties")
        .remove("tls-password")
        .unwrap();
    let printed = openssl(&pod, password.expose_text().unwrap());
    let certificate = certificate.replace("\r\n", "\n");
    assert!(
        certificate.lines().all(|line| printed.contains(line)),
        "{printed}"
    );
}
