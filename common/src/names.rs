//! The names and meanings of all annotations and environment variables. They are the source of the
//! reference in `docs/annotations.md`; a test keeps both equal.

/// A name with its meaning, for the reference.
#[derive(Debug, Clone, Copy)]
pub struct Documented {
    /// The name: a variable, a key of a value, or an annotation without its domain.
    pub name: &'static str,
    /// The default, or an empty text if the name has no default.
    pub default: &'static str,
    /// The meaning, in Markdown.
    pub meaning: &'static str,
}

macro_rules! documented {
    ($(#[$outer:meta])* $list:ident: $($(#[doc = $doc:literal])+ $name:ident = $text:literal, $default:literal;)+) => {
        $($(#[doc = $doc])+ pub const $name: &str = $text;)+

        $(#[$outer])*
        pub const $list: &[Documented] = &[
            $(Documented { name: $text, default: $default, meaning: concat!($($doc),+) }),+
        ];
    };
}

/// Keys inside the value of an entry's annotation.
pub mod keys {
    use super::Documented;

    documented! {
        /// Every key, in the order of the reference.
        ALL:
        /// `DYNAMIC` (created where it is absent) or `REFERENCE` (only read); `INDEX` for a lease.
        KIND = "kind", "";
        /// One of the [types](#secrets). Needed for `DYNAMIC`. With a `REFERENCE` in Secrets Manager, a type with fields and a field read that member of a secret that a `DYNAMIC` entry created.
        TYPE = "type", "";
        /// The size in bits, one of those of the [type](#secrets). Needed for `DYNAMIC`, except for ED25519 and UUID, which have no size. A PASSWORD has one character, and a RANDOM one byte, for each 8 bits, rounded down.
        SIZE = "size", "";
        /// The path below the prefix, instead of the name. Not for a `DYNAMIC` secret of a type with fields. In Secrets Manager a `REFERENCE` or resource may give an ARN.
        STORAGE_KEY = "storageKey", "the name";
        /// `der` or `pem`: how the files contain an RSA, EC or ED25519 key. The stored key is the same, so entries with both encodings can share it.
        ENCODING = "encoding", "`der`";
        /// The value in local mode, in base64. It is written as it is, without `encoding`.
        LOCAL_MODE_VALUE = "localModeValue", "derived from the name";
        /// The user id of a GPG key, `Name <address>`. Needed for `DYNAMIC` GPG.
        USER_ID = "userId", "";
        /// The characters of a PASSWORD: `base62` (0-9, A-Z, a-z), `ascii` (every visible ASCII character) or `hex` (0-9, a-f).
        ALPHABET = "alphabet", "`base62`";
        /// The classes of characters that a PASSWORD must contain at least once: `lower`, `upper`, `digit`, `symbol`, or several of them such as `lower+digit`. All passwords with these classes are equally likely.
        CLASSES = "classes", "no required class";
        /// The store of this entry, one of those that the operator allows.
        STORE = "store", "`init.DOMAIN/store`, else the operator's";
        /// One member of a JSON object in Secrets Manager or Parameter Store: its name, or a JSON Pointer when it begins with `/`. A string comes without its quotes, anything else as its JSON text. `*`: [every member](#every-member).
        PROPERTY = "property", "the whole value";
        /// The version of a Secrets Manager secret by its stage, for example `AWSPREVIOUS`, or of a parameter by its label.
        VERSION_STAGE = "versionStage", "`AWSCURRENT`";
        /// The version of a Secrets Manager secret by its id, or of a parameter by its number.
        VERSION_ID = "versionId", "";
        /// Of a `DYNAMIC` secret: after how long [kees-controller](rotation.md) replaces it by a new generation, for example `90d`. Units: `s`, `m`, `h`, `d`.
        ROTATE = "rotate", "";
        /// With `rotate`: how long the generation before the current one is kept, at most as long as `rotate`.
        RETAIN = "retain", "until the next rotation";
        /// `true`: the value of the generation before the current one is handed out too, as `NAME.previous`, if there is one.
        PREVIOUS = "previous", "`false`";
        /// Where a lease's numbers are stored, below `leases/`.
        STORAGE_KEY_PREFIX = "storageKeyPrefix", "the name without its field";
        /// The first number of a lease.
        RANGE_START = "rangeStart", "";
        /// The last number of a lease, included in the range.
        RANGE_END = "rangeEnd", "";
    }
}

/// Annotations `init.DOMAIN/NAME`, by their names.
pub mod init {
    use super::Documented;

    documented! {
        /// Every `init.` annotation, in the order of the reference.
        ALL:
        /// `false`: the webhook leaves this pod alone, if the policy allows it. The webhook denies anything but `true` and `false`.
        INJECT = "inject", "`true`";
        /// The prefix of every storage path.
        STORAGE_PREFIX = "storage-prefix", "the policy's, else `/`";
        /// `true`: no store at all; `remote-then-local`: the store, then the local value; `false`: the store. The webhook denies anything else; `kees-init` warns of it and uses the store, as the original does.
        LOCAL_MODE = "local-mode", "the store";
        /// Where the files appear in the containers.
        MOUNT_PATH = "mount-path", "`/bsycorp-init`";
        /// Names, by comma, of the containers that get the files.
        CONTAINERS = "containers", "all of them";
        /// The place among the init containers: `first`, `last`, `before=NAME` or `after=NAME`.
        ORDER = "order", "`first`";
        /// Mode of the files, four octal digits.
        FILE_MODE = "file-mode", "by owner, see [injection](injection.md)";
        /// The pod's store, one of those that the operator allows.
        STORE = "store", "the operator's";
        /// `properties`, `env`, `dotenv`, `json`, `yaml` or `files`.
        FORMAT = "format", "`properties`";
        /// Puts the value of the entry NAME into a [file of its own](#files-of-your-own).
        FILE = "file.NAME", "";
        /// Renders the file NAME from the values of entries: the value is a [template](#templates).
        TEMPLATE = "template.NAME", "";
        /// Makes the file NAME a PKCS#12 [keystore](#keystores) from the values of entries.
        KEYSTORE = "keystore.NAME", "";
        /// The entries that become [environment variables](environment.md) of the containers: `true` (all of them), or a list by comma of `ENTRY` or `VARIABLE=ENTRY`. Each of these containers needs an explicit `command`.
        ENV = "env", "`false`";
        /// The same for one container, which may be an init container. It replaces `env` there.
        ENV_OF_CONTAINER = "env.CONTAINER", "`init.DOMAIN/env`";
        /// `fast`: a sidecar with a `postStart` hook writes the files, which makes the start of the pod shorter, see [a faster start](fast-start.md). `init`: an init container writes them.
        START = "start", "`init`";
        /// A period such as `5m`: a sidecar reads the values again and replaces the files, see [refresh](refresh.md). Not less than the operator's `--refresh-minimum`.
        REFRESH = "refresh", "the values are read once";
        /// What the sidecar of `refresh` does when it has replaced the files: `signal=HUP,process=NAME`, `http://127.0.0.1:PORT/PATH` (a POST request), or `restart` (the controller restarts the workload).
        ON_CHANGE = "on-change", "nothing";
        /// The port, from 1024, on which the sidecar of `refresh` serves metrics, without TLS.
        REFRESH_METRICS_PORT = "refresh-metrics-port", "no metrics";
        /// The name of a [Kubernetes Secret](kubernetes-secrets.md) that the controller writes, with the values of the entries. It is in etcd: leave it out if the application can read files or variables.
        SYNC = "sync", "";
        /// The type of this Secret: `Opaque`, `kubernetes.io/tls` or `kubernetes.io/dockerconfigjson`.
        SYNC_TYPE = "sync-type", "`Opaque`";
        /// The key KEY of this Secret: the value is a [template](#templates). With one of these, the Secret has these keys only.
        SYNC_KEY = "sync-key.KEY", "a key for each entry, with its name";
        /// Set by the webhook: its version.
        INJECTED = "injected", "";
        /// Set by the webhook: the volumes of a [SecretProviderClass](secret-provider-class.md) that it replaced, as JSON. Each has the attributes of its CSI volume.
        CLASS_VOLUMES = "class-volumes", "";
    }

    /// The label `init.DOMAIN/secret-provider-classes` of a namespace or a pod: whether the webhook replaces the CSI volumes
    /// of SecretProviderClass objects. The label of the pod wins.
    pub const CLASSES_LABEL: &str = "secret-provider-classes";

    /// The value of [`CLASSES_LABEL`] that asks for it.
    pub const CLASSES_ENABLED: &str = "enabled";

    /// The value of [`CLASSES_LABEL`] that forbids it.
    pub const CLASSES_DISABLED: &str = "disabled";

    /// The label `init.DOMAIN/secret-sync` of a pod, which the webhook adds with `--secret-sync`: kees-controller may write
    /// Kubernetes Secrets for the pod. The webhook watches the pods with this label.
    pub const SECRET_SYNC_LABEL: &str = "secret-sync";

    /// The value of [`SECRET_SYNC_LABEL`].
    pub const SECRET_SYNC_ON: &str = "true";

    /// What the name of [`FILE`] begins with, before a dot.
    pub const FILE_PREFIX: &str = "file";

    /// What the name of [`TEMPLATE`] begins with, before a dot.
    pub const TEMPLATE_PREFIX: &str = "template";

    /// What the name of [`KEYSTORE`] begins with, before a dot.
    pub const KEYSTORE_PREFIX: &str = "keystore";

    /// What the name of [`SYNC_KEY`] begins with, before a dot.
    pub const SYNC_KEY_PREFIX: &str = "sync-key";

    /// Whether an `init.` annotation of that name is [`ENV`] or [`ENV_OF_CONTAINER`].
    pub fn is_env(name: &str) -> bool {
        let rest = name.strip_prefix(ENV);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }

    /// The name of [`ENV_OF_CONTAINER`] for a container.
    pub fn env_of(container: &str) -> String {
        format!("{ENV}.{container}")
    }
}

/// Keys inside the value of `init.DOMAIN/file.NAME`.
pub mod file {
    use super::Documented;

    documented! {
        /// Every key, in the order of the reference.
        ALL:
        /// The file, below the mount path. It may be in a folder, as in `tls/server.key`.
        PATH = "path", "the name of the entry";
        /// The mode of the file, four octal digits.
        MODE = "mode", "the mode of the other files";
    }
}

/// Keys inside the value of `init.DOMAIN/keystore.NAME`.
pub mod keystore {
    use super::Documented;

    documented! {
        /// Every key, in the order of the reference.
        ALL:
        /// The entry with the private key: PKCS#8 in DER or PEM, such as the field `_private` of an RSA, EC or ED25519 secret.
        KEY = "key", "";
        /// The entry with the certificate of the key, in PEM or DER. In PEM, the certificates of its issuers may follow.
        CERTIFICATE = "certificate", "";
        /// The entry with the password of the keystore, in ASCII.
        PASSWORD = "password", "";
        /// The name of the key within the keystore.
        ALIAS = "alias", "the name of the key's entry without its field";
    }
}

/// Environment variables of `kees-init`.
pub mod env {
    use super::Documented;

    documented! {
        /// Every variable, in the order of the reference.
        ALL:
        /// Names the DynamoDB table, `ENV_LABEL-kube-secret`. Needed where DynamoDB is used.
        ENV_LABEL = "ENV_LABEL", "";
        /// The pod's name, for the name of the STS session. Needed with a lease.
        POD_NAME = "POD_NAME", "";
        /// The pod's namespace, for leases, the name of the STS session, and the tags of what is created.
        POD_NAMESPACE = "POD_NAMESPACE", "";
        /// The pod's uid, for leases: it distinguishes the pod from an earlier pod of the same name.
        POD_UID = "POD_UID", "";
        /// The domain of the annotations.
        ANNOTATION_DOMAIN = "ANNOTATION_DOMAIN", "bsycorp.com";
        /// The downward-API file with the pod's annotations.
        ANNOTATIONS_FILE = "ANNOTATIONS_FILE", "/podinfo/annotations";
        /// Where the secrets are written.
        SECRETS_FILE = "SECRETS_FILE", "/bsycorp-init/secrets.properties";
        /// Where the resources are written.
        RESOURCES_FILE = "RESOURCES_FILE", "/bsycorp-init/resources.properties";
        /// Where the leases are written.
        LEASES_FILE = "LEASES_FILE", "/bsycorp-init/leases.properties";
        /// The folder for the files of the resources, one file for each.
        RESOURCES_FILE_PATH = "RESOURCES_FILE_PATH", "/bsycorp-init";
        /// The folder for the files of the leases, one file for each.
        LEASES_FILE_PATH = "LEASES_FILE_PATH", "/bsycorp-init";
        /// Seconds to wait before an absent value is read once more.
        RETRY_DELAY = "RETRY_DELAY", "";
        /// The AWS Region. If it is not set: `AWS_DEFAULT_REGION`, then the Region of the profile. If none is set, DynamoDB uses `ap-southeast-2` with a warning, and the other stores in AWS are an error.
        AWS_REGION = "AWS_REGION", "";
        /// The AWS Region if `AWS_REGION` is not set.
        AWS_DEFAULT_REGION = "AWS_DEFAULT_REGION", "";
        /// The endpoint of DynamoDB, Secrets Manager and Parameter Store, if it is not the Region's own.
        AWS_ENDPOINT = "AWS_ENDPOINT", "";
        /// The endpoint of STS.
        AWS_STS_ENDPOINT = "AWS_STS_ENDPOINT", "";
        /// A PEM file with root certificates, instead of those that come with the program.
        AWS_CA_BUNDLE = "AWS_CA_BUNDLE", "";
        /// The same as `AWS_CA_BUNDLE`, which wins if both are set.
        SSL_CERT_FILE = "SSL_CERT_FILE", "";
        /// The pod's own AWS identity (IRSA), with `AWS_ROLE_ARN`.
        AWS_WEB_IDENTITY_TOKEN_FILE = "AWS_WEB_IDENTITY_TOKEN_FILE", "";
        /// Proxy for `http://` endpoints.
        HTTP_PROXY = "HTTP_PROXY", "";
        /// Proxy for `https://` endpoints.
        HTTPS_PROXY = "HTTPS_PROXY", "";
        /// Hosts, by comma, that are reached without the proxy. Loopback and link-local addresses always are.
        NO_PROXY = "NO_PROXY", "";
        /// The store: `dynamodb`, `secretsmanager`, `ssm` or `embedded`.
        STORE = "STORE", "dynamodb";
        /// The stores that annotations may choose, by comma; `STORE` has to be one of them.
        STORES = "STORES", "`STORE` alone";
        /// The ARNs, by comma, that annotations may name in `storageKey=`; `none`: no ARN. The webhook sets those that the policy allows.
        REFERENCES = "REFERENCES", "every ARN";
        /// What happens if a `DYNAMIC` secret is absent: `init` creates it, `creator` waits for it, `never` ends with an error.
        CREATE = "CREATE", "init";
        /// Seconds that waiting for the stores may take in all.
        TIMEOUT = "TIMEOUT", "60";
        /// `properties`, `env`, `dotenv`, `json`, `yaml` or `files`.
        FORMAT = "FORMAT", "properties";
        /// Mode of the files, four octal digits.
        FILE_MODE = "FILE_MODE", "0444";
        /// The folder for what `kees-init exec` needs: a copy of the program, and the values. The webhook sets it if `init.DOMAIN/env` asks for it.
        EXEC_FOLDER = "EXEC_FOLDER", "";
        /// The period of `kees-init refresh`, such as `5m`. Where it is set, the files are links into a folder that is replaced as a whole, see [refresh](refresh.md).
        REFRESH = "REFRESH", "";
        /// What `kees-init refresh` does when it has replaced the files, as in the annotation `on-change`.
        ON_CHANGE = "ON_CHANGE", "nothing";
        /// The port on which `kees-init refresh` serves metrics.
        REFRESH_METRICS_PORT = "REFRESH_METRICS_PORT", "no metrics";
        /// The volumes of [SecretProviderClass](secret-provider-class.md) objects, as JSON. The webhook sets it.
        CLASS_VOLUMES = "CLASS_VOLUMES", "";
        /// The prefix of every storage path; wins over the annotation.
        STORAGE_PREFIX = "STORAGE_PREFIX", "";
        /// `allow` or `deny`: whether the pod may use `local-mode`.
        LOCAL_MODE = "LOCAL_MODE", "allow";
        /// The SQLite file of the store `embedded`.
        EMBEDDED_FILE = "EMBEDDED_FILE", "";
        /// The KMS key that encrypts what is created in Secrets Manager and Parameter Store.
        KMS_KEY_ID = "KMS_KEY_ID", "the AWS managed key";
        /// The file for the errors of a run, which Kubernetes shows in the status of the pod.
        TERMINATION_LOG = "TERMINATION_LOG", "/dev/termination-log";
        /// The lowest level of the lines on standard error: `error`, `warn`, `info` (one line about a run without errors), `debug` or `trace`. A value is never logged.
        LOG_LEVEL = "LOG_LEVEL", "info";
        /// The form of the lines on standard error: `text` or `json`.
        LOG_FORMAT = "LOG_FORMAT", "text";
    }
}
