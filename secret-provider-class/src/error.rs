//! What is wrong with a class, and where.

use std::fmt;

use kees_common::Service;

use crate::excerpt::excerpt;

/// An error of a class, or of the parameters that a volume adds to it. It prints with its place and says what
/// would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseClassError {
    /// Where it is.
    pub place: ClassPlace,
    /// What it is.
    pub kind: ClassErrorKind,
}

impl fmt::Display for ParseClassError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.kind)
    }
}

impl std::error::Error for ParseClassError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.kind.source()
    }
}

/// A place in a class. It prints as `spec.parameters.objects: line 3, column 5`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassPlace {
    /// The object that has the field.
    pub origin: Origin,
    /// The field: `spec.parameters.region` in a class, `volumeAttributes.region` in a volume.
    pub field: String,
    /// Where it is in the text of the field, for the list of objects.
    pub position: Option<TextPosition>,
}

impl fmt::Display for ClassPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.field)?;
        match &self.position {
            Some(TextPosition { line, column }) => write!(f, ": line {line}, column {column}"),
            None => Ok(()),
        }
    }
}

/// The object that has a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The SecretProviderClass.
    Class,
    /// The CSI volume of the pod, whose attributes replace parameters of the class.
    Volume,
}

/// A line and a column of a text, both counted from 1. Columns are characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TextPosition {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// What is wrong. Only names are in a message: a class has no values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClassErrorKind {
    /// `spec.provider` is empty.
    #[error("it is missing; use provider: aws")]
    NoProvider,
    /// `spec.parameters` is empty.
    #[error("it is missing; list the secrets in objects")]
    NoParameters,
    /// Nobody says which Region is meant.
    #[error("the Region is not known; set region")]
    NoRegion,
    /// It cannot be part of a host name.
    #[error(transparent)]
    Region(#[from] kees_common::ParseRegionError),
    /// The failover Region is the Region.
    #[error("it is {0} too; the failover Region must be another than the Region")]
    SameRegion(String),
    /// `usePodIdentity` is no boolean.
    #[error("{0} is wrong; use \"true\" or \"false\"")]
    PodIdentity(String),
    /// The service account names no role.
    #[error(
        "the service account has no IAM role; set its annotation eks.amazonaws.com/role-arn, or \
         usePodIdentity: \"true\""
    )]
    NoRole,
    /// `pathTranslation` is neither `False` nor one byte.
    #[error("{0} is wrong; use False, or one ASCII character that replaces '/'")]
    Translation(String),
    /// No object.
    #[error("there is no object; list at least one, with objectName and objectType")]
    NoObjects,

    /// The text is not YAML.
    #[error("{0}")]
    Yaml(String),
    /// An alias within the node that it names.
    #[error("the alias names what contains it; remove it")]
    AliasOfItself,
    /// Aliases stand for too much.
    #[error("the aliases stand for more than {0} nodes; write the objects out")]
    Aliases(usize),
    /// The list is too large to be read.
    #[error("the list has more than {limit} {what}; use several classes")]
    TooLarge {
        /// What there are too many of.
        what: &'static str,
        /// The most that are read.
        limit: usize,
    },
    /// A tag that the value has not, or that is not supported.
    #[error("!!{0} does not fit the value; remove the tag")]
    Tag(String),
    /// A map or list where there must be text.
    #[error("{0} must be text")]
    NotText(&'static str),
    /// Not a list.
    #[error("{0} must be a list")]
    NotList(&'static str),
    /// Not a map.
    #[error("{0} must be a map, such as objectName: NAME")]
    NotMap(&'static str),
    /// A key that is no text, number or boolean.
    #[error("a key must be text")]
    NotKey,
    /// A merge key without a map.
    #[error("<< must be followed by maps")]
    Merge,

    /// An empty item of the list.
    #[error("the item is empty; remove it")]
    EmptyEntry,
    /// No `objectName`.
    #[error("objectName is missing; set it to the name or ARN of the secret")]
    NoName,
    /// It begins with `arn:`, but is no ARN.
    #[error("{0} is not an ARN; use arn:PARTITION:SERVICE:REGION:ACCOUNT:NAME")]
    Arn(String),
    /// The ARN's Region is not that of the class.
    #[error("the ARN {name} is not in the Region {region}; use an ARN of that Region")]
    ArnRegion {
        /// The ARN.
        name: String,
        /// The Region of the class, or its failover Region.
        region: String,
    },
    /// No `objectType`, and no ARN that says it.
    #[error(
        "objectType is missing for {0}; use secretsmanager or ssmparameter, or a whole ARN as \
         objectName"
    )]
    NoType(String),
    /// An ARN of another service.
    #[error("the ARN is of the service {0}; use one of secretsmanager or ssm")]
    ArnService(String),
    /// An unknown `objectType`.
    #[error("the objectType {0} is unknown; use secretsmanager or ssmparameter")]
    Type(String),
    /// `objectType` is not that of the ARN.
    #[error("the objectType is not that of the ARN {0}; remove objectType")]
    TypeOfArn(String),
    /// A parameter with a version and a label.
    #[error("the parameter {0} has objectVersion and objectVersionLabel; use one of them")]
    VersionAndLabel(String),
    /// A file name that leads elsewhere.
    #[error("the file name of {0} contains ../; set objectAlias to a name within the volume")]
    DotDot(String),
    /// A mode that is not four octal digits.
    #[error("the filePermission {0} is wrong; use four octal digits in quotes, such as \"0400\"")]
    Mode(String),
    /// An item of `jmesPath` without `path`.
    #[error("path is missing; set it to a JMESPath expression")]
    NoPath,
    /// An item of `jmesPath` without `objectAlias`.
    #[error("objectAlias is missing; set it to the name of the file for the result")]
    NoPathAlias,
    /// A failover object, but no alias.
    #[error("{0} has a failoverObject, so it needs an objectAlias")]
    FailoverAlias(String),
    /// A failover object, but no failover Region.
    #[error("{0} has a failoverObject, but the class has no failoverRegion; set it")]
    FailoverRegion(String),
    /// A failover object of another version.
    #[error("the failoverObject of {0} has another objectVersion; use the same one")]
    FailoverVersion(String),
    /// The same name twice, without aliases and labels.
    #[error("the objectName {0} is used twice; give each an objectAlias")]
    SameName(String),
    /// The same name and alias twice.
    #[error("the objectName {name} is used twice with the objectAlias {alias}; use another alias")]
    SameNameAndAlias {
        /// The name.
        name: String,
        /// The alias.
        alias: String,
    },
    /// The same name and label twice.
    #[error(
        "the objectName {name} is used twice with the objectVersionLabel {label}; remove one of \
         the objects"
    )]
    SameNameAndLabel {
        /// The name.
        name: String,
        /// The label.
        label: String,
    },
    /// The same object twice.
    #[error(
        "the objectName {name} is used twice with the objectAlias {alias} and the \
         objectVersionLabel {label}; remove one of the objects"
    )]
    SameObject {
        /// The name.
        name: String,
        /// The alias.
        alias: String,
        /// The label.
        label: String,
    },
    /// The same alias twice.
    #[error("the objectAlias {0} is used twice; use another one")]
    SameAlias(String),
    /// The alias of a JMESPath is used before.
    #[error("the objectAlias {0} of a jmesPath is in use; use another one")]
    SamePathAlias(String),

    /// A file name that the volume cannot have.
    #[error("the file {file} is not possible: {reason}; set objectAlias")]
    File {
        /// The path in the volume.
        file: String,
        /// What is wrong with it.
        reason: FileError,
    },
    /// Two objects write one file.
    #[error("the file {file} is that of line {line} too; set another objectAlias")]
    SameFile {
        /// The path in the volume.
        file: String,
        /// The line of the other object.
        line: usize,
    },
    /// A file where another object has a folder.
    #[error("{file} is a file and a folder, here and in line {line}; set another objectAlias")]
    FileIsFolder {
        /// The path in the volume.
        file: String,
        /// The line of the other object.
        line: usize,
    },
    /// A version or label within the name of a parameter.
    #[error(
        "the parameter {0} has a ':' in its name; use objectVersion or objectVersionLabel for the \
         version"
    )]
    ParameterSelector(String),
    /// A failover object of another service.
    #[error("the failoverObject is of {failover}, but the object is of {primary}; use one service")]
    FailoverService {
        /// The service of the object.
        primary: Service,
        /// The service of its failover object.
        failover: Service,
    },
    /// A wrong JMESPath expression.
    #[error("the path {} is not a JMESPath expression: {reason}", excerpt(path))]
    Expression {
        /// The expression.
        path: String,
        /// What is wrong with it.
        reason: String,
    },

    /// Errors that are not listed.
    #[error("{0} more errors are not listed")]
    Others(usize),

    /// A Secret without a name.
    #[error("secretName is missing")]
    NoSecretName,
    /// A name that no Secret can have.
    #[error("{0} cannot be the name of a Secret; use lower-case letters, digits, '-' and '.'")]
    SecretName(String),
    /// A Secret without a type.
    #[error("type is missing; use Opaque, kubernetes.io/tls or another type of Secrets")]
    NoSecretType,
    /// A Secret without data.
    #[error("data is missing; list objectName and key")]
    NoData,
    /// An item of data without `objectName`.
    #[error("objectName is missing; set it to the name of a file of the class")]
    NoDataObject,
    /// An item of data without `key`.
    #[error("key is missing; set it to a key of the Secret")]
    NoDataKey,
    /// A key that no Secret can have.
    #[error("{0} cannot be a key of a Secret; use letters, digits, '-', '_' and '.'")]
    DataKey(String),
    /// A key that the type cannot have.
    #[error("the key {0} is not one of kubernetes.io/tls; use tls.crt or tls.key")]
    TlsKey(String),
    /// The same key twice.
    #[error("the key {0} is used twice; use another one")]
    SameKey(String),
    /// The same Secret twice.
    #[error("the secretName {0} is used twice; put all keys under one")]
    SameSecret(String),
    /// A file that the class does not write.
    #[error("the class has no file {file}{}", did_you_mean(.hint.as_deref()))]
    NoFile {
        /// What is named.
        file: String,
        /// A file with a similar name.
        hint: Option<String>,
    },
}

fn did_you_mean(hint: Option<&str>) -> String {
    hint.map_or_else(
        || "; use the objectAlias or the translated objectName of an object".to_owned(),
        |hint| format!("; did you mean {hint}"),
    )
}

/// Why a file cannot have a path in a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// Nothing, or nothing between two slashes.
    #[error("a name in it is empty")]
    Empty,
    /// `.` or `..`.
    #[error("it has '.' or '..' as a name")]
    Dots,
    /// It begins with two dots, as the names that the kubelet and the driver use themselves.
    #[error("it begins with '..'")]
    Reserved,
    /// The name of a file that kees-init writes while it fills a volume.
    #[error("kees-init uses the name itself")]
    OfKees,
    /// A byte that no name can have.
    #[error("it has a zero byte")]
    ZeroByte,
    /// A name with more than 255 bytes.
    #[error("a name in it has more than 255 bytes")]
    LongName,
    /// More than 4096 bytes.
    #[error("it has more than 4096 bytes")]
    LongPath,
}
