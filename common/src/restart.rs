//! How the sidecar of a pod with `on-change: restart` asks the controller to restart the workload of the
//! pod: it ends with a termination message that Kubernetes shows in the status of the pod.

/// The init container that writes the files. With `start: fast` it is also the sidecar that refreshes them.
pub const INIT_CONTAINER: &str = "kees-init";

/// The sidecar that refreshes the files of any other pod.
pub const SIDECAR: &str = "kees-refresh";

/// The first line of the termination message. Further lines are for people.
pub const REQUEST: &str = "restart: the files of this pod were replaced";

/// Whether the termination message of a container asks for a restart.
pub fn is_request(container: &str, termination_message: &str) -> bool {
    [INIT_CONTAINER, SIDECAR].contains(&container)
        && termination_message.lines().next() == Some(REQUEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_of_the_sidecar_is_the_request() {
        let is_request = |message: &str| super::is_request(SIDECAR, message);
        assert!(is_request(REQUEST));
        assert!(is_request(&format!(
            "{REQUEST}\nthe last refresh failed; 1 error"
        )));
        assert!(!is_request(&format!("1 error\n{REQUEST}")));
        assert!(!is_request(&format!("{REQUEST} again")));
        assert!(!is_request(""));
        assert!(super::is_request(INIT_CONTAINER, REQUEST));
        assert!(!super::is_request("proxy", REQUEST));
    }
}
