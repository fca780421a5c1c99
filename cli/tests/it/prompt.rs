//! Values that are typed on a terminal.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    process::{Child, Command},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use rstest::rstest;
use rustix::{
    pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt},
    termios::{LocalModes, SpecialCodeIndex, tcgetattr},
};

use crate::folder::Folder;

/// The longest that the program may take for its next output.
const LATE: Duration = Duration::from_mins(1);

/// A terminal on which a program runs.
struct Terminal {
    child: Child,
    /// What the user has.
    keyboard: File,
    /// What the program has.
    line: File,
    output: Receiver<Vec<u8>>,
    shown: String,
}

/// What a terminal does with what is typed.
#[derive(Debug, PartialEq, Eq)]
struct Modes {
    local: LocalModes,
    second_end_of_line: u8,
}

impl Terminal {
    fn start(mut program: Command) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let keyboard = openpt(flags).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let line = File::from(ioctl_tiocgptpeer(&keyboard, flags).unwrap());
        let copy = || line.try_clone().unwrap();
        let child = program.stdin(copy()).stdout(copy()).stderr(copy()).spawn();
        let keyboard = File::from(keyboard);
        let mut screen = keyboard.try_clone().unwrap();
        let (send, output) = channel();
        thread::spawn(move || {
            let mut read = [0; 4096];
            // Reading fails when nobody has the other side any more.
            while let Ok(length) = screen.read(&mut read) {
                if send.send(read[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            child: child.unwrap(),
            keyboard,
            line,
            output,
            shown: String::new(),
        }
    }

    fn modes(&self) -> Modes {
        let modes = tcgetattr(&self.line).unwrap();
        Modes {
            local: modes.local_modes,
            second_end_of_line: modes.special_codes[SpecialCodeIndex::VEOL],
        }
    }

    /// Waits until the terminal shows `text`.
    fn shows(&mut self, text: &str) {
        while !self.shown.contains(text) {
            let output = self.output.recv_timeout(LATE);
            let output = output.unwrap_or_else(|_| panic!("no {text} in {:?}", self.shown));
            self.shown += &String::from_utf8(output).unwrap();
        }
    }

    fn types(&mut self, keys: &[u8]) {
        self.keyboard.write_all(keys).unwrap();
    }

    /// Waits for the end of the program. Returns its exit status, all that was shown, and the modes that it leaves.
    fn ends(mut self) -> (i32, String, Modes) {
        let status = self.child.wait().unwrap();
        let modes = self.modes();
        drop(self.line);
        for output in self.output {
            self.shown += &String::from_utf8(output).unwrap();
        }
        (status.code().unwrap(), self.shown, modes)
    }
}

/// Starts the program, types `keys` when it has asked `question`, and asserts that they are not shown.
fn answer(folder: &Folder, arguments: &[&str], question: &str, keys: &[u8]) -> (i32, String) {
    let mut terminal = Terminal::start(folder.command(arguments));
    let visible = LocalModes::ECHO | LocalModes::ISIG | LocalModes::ICANON;
    terminal.shows(question);
    assert!(!terminal.modes().local.contains(LocalModes::ECHO));
    terminal.types(keys);
    let (status, shown, after) = terminal.ends();
    let typed = std::str::from_utf8(keys).unwrap();
    let typed = typed.trim_end_matches(|key: char| key.is_control());
    assert!(typed.is_empty() || !shown.contains(typed), "{shown}");
    assert!(after.local.contains(visible), "{after:?}");
    assert_eq!(after.second_end_of_line, 0);
    (status, shown)
}

/// A line ends with Enter, Ctrl-C, or Ctrl-D: once on an empty line, twice after a text.
#[rstest]
#[case::enter("marker-5\r", 1, "the server localhost:1 cannot be reached")]
#[case::enter_alone("\r", 1, "the value is empty")]
#[case::ctrl_c("marker-5\x03", 1, "interrupted")]
#[case::ctrl_c_alone("\x03", 1, "interrupted")]
#[case::ctrl_d("marker-5\x04\x04", 1, "the server localhost:1 cannot be reached")]
#[case::ctrl_d_alone("\x04", 1, "the value is empty")]
fn a_value_for_kiss_is_asked_for_without_showing_it(
    #[case] keys: &str,
    #[case] status: i32,
    #[case] message: &str,
) {
    let folder = Folder::new();
    folder.write("token", "e30.e30.c2ln");
    let arguments = "kiss create -namespace a -name db -token-path token -secure=false -server-addr localhost:1";
    let arguments: Vec<_> = arguments.split(' ').collect();
    let ended = answer(&folder, &arguments, "Enter secret value: ", keys.as_bytes());
    assert_eq!(ended.0, status, "{}", ended.1);
    assert!(ended.1.contains(message), "{}", ended.1);
}

#[test]
fn a_value_that_is_typed_is_stored() {
    let folder = Folder::new();
    let question = "value (not shown): ";
    let ended = answer(
        &folder,
        &["put", "/a"],
        question,
        " marker-6 ä\r".as_bytes(),
    );
    assert_eq!(ended.0, 0, "{}", ended.1);
    let stored = folder.kees(&["show", "/a", "--reveal", "--to-pipe"]);
    assert_eq!(stored.succeeded().stdout, " marker-6 ä");
    let ended = answer(&folder, &["put", "/b"], question, b"marker-7\x03");
    assert_eq!(ended.0, 64, "{}", ended.1);
    folder
        .kees(&["show", "/b", "--reveal", "--to-pipe"])
        .failed(75);
}

/// A terminal drops the rest of such a line.
#[test]
fn a_line_that_a_terminal_cuts_is_not_stored() {
    let folder = Folder::new();
    for (length, status) in [(4094, 0), (4095, 64), (5000, 64)] {
        let mut keys = vec![b'x'; length];
        keys.push(b'\r');
        let (ended, shown) = answer(&folder, &["put", "/a"], "value (not shown): ", &keys);
        assert_eq!(ended, status, "{length}: {shown}");
        let is_cut = shown.contains("at most 4094 bytes in a line");
        assert_eq!(is_cut, status != 0, "{length}: {shown}");
        let is_stored = shown.contains(&format!("stored {length} bytes"));
        assert_eq!(is_stored, status == 0, "{length}: {shown}");
        folder.kees(&["delete", "/a", "--yes"]);
    }
}
