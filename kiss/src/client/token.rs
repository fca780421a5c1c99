//! The caller's token, from the cache of kubelogin or another file.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::error::ClientError;

/// Where kubelogin keeps tokens, in the home folder.
const CACHE: &str = ".kube/cache/oidc-login";

/// A file of kubelogin.
#[derive(Deserialize)]
struct Cached {
    id_token: String,
}

/// What is read of a token: the server checks it.
#[derive(Deserialize)]
struct Payload {
    exp: Option<f64>,
}

/// The token in `path`, or else the newest one of kubelogin.
pub(super) fn read(
    path: Option<&Path>,
    home: Option<&Path>,
) -> Result<Zeroizing<String>, ClientError> {
    let (path, token) = match path {
        Some(path) => (path.to_owned(), read_file(path)?),
        None => newest(&home.ok_or(ClientError::NoHome)?.join(CACHE))?,
    };
    match seconds_since_expiry(&token) {
        Some(seconds) if seconds >= 0.0 => Err(ClientError::Expired {
            path,
            ago: rounded(seconds),
        }),
        _ => Ok(token),
    }
}

/// The newest file of a folder that has a token. Each cluster has a file of its own, and there are locks.
fn newest(folder: &Path) -> Result<(PathBuf, Zeroizing<String>), ClientError> {
    let none = || ClientError::NoToken(folder.to_owned());
    let entries = fs::read_dir(folder).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => none(),
        _ => cannot_read(folder, error),
    })?;
    let files = entries.flatten().filter_map(|entry| {
        let changed = entry.metadata().ok().filter(fs::Metadata::is_file)?;
        Some((changed.modified().ok()?, entry.path()))
    });
    let mut files: Vec<_> = files.collect();
    files.sort();
    let mut newest_first = files.into_iter().rev();
    let found = newest_first.find_map(|(_, path)| Some((read_file(&path).ok()?, path)));
    let (token, path) = found.ok_or_else(none)?;
    Ok((path, token))
}

fn read_file(path: &Path) -> Result<Zeroizing<String>, ClientError> {
    let text = fs::read_to_string(path).map_err(|error| cannot_read(path, error))?;
    let text = Zeroizing::new(text);
    let cached = serde_json::from_str(&text).ok();
    let cached = cached.map(|Cached { id_token }| Zeroizing::new(id_token));
    let token = cached.as_ref().unwrap_or(&text).trim();
    let is_token = token.split('.').count() == 3;
    if is_token && token.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(Zeroizing::new(token.to_owned()))
    } else {
        Err(ClientError::NotAToken(path.to_owned()))
    }
}

fn cannot_read(path: &Path, source: io::Error) -> ClientError {
    ClientError::Read {
        path: path.display().to_string(),
        source,
    }
}

/// How long ago a token has expired, or a negative number. `None`: it does not say so.
fn seconds_since_expiry(token: &str) -> Option<f64> {
    let payload = token.split('.').nth(1)?;
    let payload = Zeroizing::new(URL_SAFE_NO_PAD.decode(payload).ok()?);
    let payload: Payload = serde_json::from_slice(&payload).ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(now.as_secs_f64() - payload.exp?)
}

fn rounded(seconds: f64) -> String {
    let (number, unit) = match seconds {
        seconds if seconds < 120.0 => (seconds, "seconds"),
        seconds if seconds < 7200.0 => (seconds / 60.0, "minutes"),
        seconds if seconds < 172_800.0 => (seconds / 3600.0, "hours"),
        seconds => (seconds / 86_400.0, "days"),
    };
    format!("{number:.0} {unit}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A token that expires in `seconds`.
    fn token(seconds: i64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let exp = i64::try_from(now.as_secs()).unwrap() + seconds;
        let payload = URL_SAFE_NO_PAD.encode(format!(r#"{{"exp": {exp}}}"#));
        format!("e30.{payload}.c2ln")
    }

    fn cached(token: &str) -> String {
        format!(r#"{{"id_token": "{token}", "refresh_token": "x"}}"#)
    }

    #[test]
    fn a_file_is_json_or_the_token_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let token = token(60);
        let with_break = cached(&format!("{token}\\n"));
        for content in [
            cached(&token),
            token.clone(),
            format!("{token}\n"),
            with_break,
        ] {
            fs::write(&path, content).unwrap();
            assert_eq!(*read(Some(&path), None).unwrap(), token);
        }
        let empty = cached("");
        for content in ["", "{}", r#"{"id_token": 7}"#, "a b.c.d", &empty] {
            fs::write(&path, content).unwrap();
            let error = read(Some(&path), None).unwrap_err();
            assert!(matches!(error, ClientError::NotAToken(_)), "{content}");
        }
    }

    #[test]
    fn an_expired_token_says_to_log_in_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, cached(&token(-300))).unwrap();
        let error = read(Some(&path), None).unwrap_err().to_string();
        assert!(
            error.ends_with(
                "has expired 5 minutes ago: log in again, for example with `kubectl get pods`"
            ),
            "{error}"
        );
    }

    #[test]
    fn the_newest_token_of_kubelogin_is_used() {
        let home = tempfile::tempdir().unwrap();
        let error = read(None, Some(home.path())).unwrap_err();
        assert!(matches!(error, ClientError::NoToken(_)));
        let cache = home.path().join(CACHE);
        fs::create_dir_all(&cache).unwrap();
        let (old, new) = (token(60), token(120));
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        for (name, content, changed) in [
            ("a", cached(&new), 2000),
            ("b", cached(&old), 1000),
            ("c.lock", String::new(), 3000),
        ] {
            let path = cache.join(name);
            fs::write(&path, content).unwrap();
            let file = fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(at(changed)).unwrap();
        }
        assert_eq!(*read(None, Some(home.path())).unwrap(), new);
        assert!(matches!(read(None, None).unwrap_err(), ClientError::NoHome));
    }
}
