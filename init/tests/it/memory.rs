//! Memory that held a value is overwritten: when the program needs no value any more, its memory
//! contains no piece of one. The test reads that memory from another process.
//!
//! The first thing that the program does is to forbid other processes to read its memory. So the
//! test blocks the dynamic linker before that, with a FIFO in the place of a library, and opens
//! `/proc/PID/mem`. The open file stays readable. At the end the test blocks the program in its last
//! log line, which is longer than the buffer of a pipe.
//!
//! The test cannot see registers, buffers of the kernel, memory that was returned to the kernel, and
//! values in encodings other than those of [`forms`]. The endpoints are `http://`, so it does not
//! test the buffers of TLS.

use std::{
    collections::{BTreeSet, HashMap},
    fs::File,
    io::{Read as _, Seek as _},
    os::{fd::OwnedFd, unix::fs::FileExt as _},
    process::{Child, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

use kees_common::{SecretValue, StoreName};
use rustix::{
    fs::{CWD, FileType, Mode, OFlags, mknodat, open},
    io::Errno,
};
use serde_json::Value;

use crate::{
    cloud::{Cloud, Table, error_response},
    container::Container,
};

const RSA: &str = "kind=DYNAMIC,type=RSA,size=2048";
const GPG: &str = "kind=DYNAMIC,type=GPG,size=2048,userId=Team A <team-a@example.com>";

const ANNOTATIONS: [(&str, &str); 7] = [
    ("secret/password", "kind=DYNAMIC,type=PASSWORD,size=256"),
    ("secret/seed", "kind=DYNAMIC,type=RANDOM,size=256"),
    ("secret/tls_private", RSA),
    ("secret/tls_public", RSA),
    ("secret/mail_private", GPG),
    ("secret/mail_public", GPG),
    ("secret/mail_password", GPG),
];

/// The number of names that the annotations have in the store.
const OF_DYNAMODB: usize = 7;
const OF_SECRETS_MANAGER: usize = 4;

/// Longer than the buffer of a pipe (64 KiB) and the buffer of the test together.
const LONG: usize = 120_000;

const PAGE: usize = 4096;

/// A process whose memory can be read at any time.
struct Watched {
    child: Child,
    maps: File,
    memory: File,
}

impl Watched {
    /// Starts `command`, blocks it before its first instruction to open its memory, and lets it
    /// continue. It will block again in its last line.
    fn start(command: &mut Command, container: &Container) -> Self {
        let gate = container.path("gate");
        let mode = Mode::RUSR | Mode::WUSR;
        mknodat(CWD, &gate, FileType::Fifo, mode, 0).unwrap();
        command
            .env("LD_PRELOAD", &gate)
            .env("POD_UID", "u".repeat(LONG))
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let gate: OwnedFd = loop {
            match open(&gate, OFlags::WRONLY | OFlags::NONBLOCK, Mode::empty()) {
                Ok(gate) => break gate,
                // The linker has not opened the FIFO yet.
                Err(Errno::NXIO) => assert!(child.try_wait().unwrap().is_none(), "not held up"),
                Err(error) => panic!("{error}"),
            }
            thread::yield_now();
        };
        let open = |what| File::open(format!("/proc/{}/{what}", child.id())).unwrap();
        let (maps, memory) = (open("maps"), open("mem"));
        // The linker reads an empty file, reports that it is not a library, and continues.
        drop(gate);
        Self {
            child,
            maps,
            memory,
        }
    }

    /// Waits until the program writes its last line.
    fn reach_last_line(&mut self) {
        let stderr = self.child.stderr.as_mut().unwrap();
        let mut said = Vec::new();
        let mut buffer = [0; 1024];
        while !String::from_utf8_lossy(&said).contains("7 entries written") {
            let length = stderr.read(&mut buffer).unwrap();
            assert_ne!(length, 0, "{}", String::from_utf8_lossy(&said));
            said.extend_from_slice(&buffer[..length]);
        }
    }

    /// The pieces that are in writable memory of the program, and the part of memory they are in.
    fn find(&mut self, pieces: &Pieces) -> BTreeSet<String> {
        self.maps.rewind().unwrap();
        let mut maps = String::new();
        self.maps.read_to_string(&mut maps).unwrap();
        let mut found = BTreeSet::new();
        let mut regions = 0;
        for line in maps.lines() {
            let (range, rest) = line.split_once(' ').unwrap();
            if !rest.starts_with("rw") {
                continue;
            }
            let bound = |text| u64::from_str_radix(text, 16).unwrap();
            let (start, end) = range.split_once('-').unwrap();
            let (start, end) = (bound(start), bound(end));
            let mut region = vec![0; usize::try_from(end - start).unwrap()];
            for (page, at) in region.chunks_mut(PAGE).zip((start..).step_by(PAGE)) {
                match self.memory.read_exact_at(page, at) {
                    Ok(()) => {}
                    // A thread has ended and returned this memory.
                    Err(error) if Errno::from_io_error(&error) == Some(Errno::IO) => {}
                    Err(error) => panic!("{line}: {error}"),
                }
            }
            pieces.find_in(&region, |what| {
                let part = rest.rsplit(' ').next().unwrap();
                found.insert(format!(
                    "{what} in {}",
                    if part.is_empty() { "memory" } else { part }
                ))
            });
            regions += 1;
        }
        assert!(regions > 3, "that is no program's memory: {maps}");
        found
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The length of a piece. Any part of a value that is twice as long contains a whole piece.
const PIECE: usize = 8;

/// Pieces of values, and the names of the values.
struct Pieces {
    pieces: HashMap<[u8; PIECE], String>,
    /// Whether a piece begins with these two bytes. Most positions in memory need no further check.
    begin: Vec<bool>,
}

impl Pieces {
    /// The pieces of every value of `secrets`, except those that are in a value of `public` too.
    fn new(secrets: &[(String, SecretValue)], public: &[SecretValue]) -> Self {
        let public: Vec<Vec<u8>> = public
            .iter()
            .flat_map(forms)
            .map(|(_, bytes)| bytes)
            .collect();
        let is_public = |piece: &[u8]| {
            public
                .iter()
                .any(|bytes| bytes.windows(PIECE).any(|window| window == piece))
        };
        let mut pieces = HashMap::<[u8; PIECE], String>::new();
        for (name, value) in secrets {
            for (form, bytes) in forms(value) {
                let last = &bytes[bytes.len() - PIECE..];
                for piece in bytes.chunks_exact(PIECE).chain([last]) {
                    if !is_public(piece) {
                        pieces.insert(piece.try_into().unwrap(), format!("{name} {form}"));
                    }
                }
            }
        }
        let mut begin = vec![false; 1 << 16];
        for piece in pieces.keys() {
            begin[index(piece)] = true;
        }
        Self { pieces, begin }
    }

    fn find_in(&self, memory: &[u8], mut found: impl FnMut(&str) -> bool) {
        for at in 0..memory.len().saturating_sub(PIECE - 1) {
            if self.begin[index(&memory[at..])]
                && let Some(what) = self.pieces.get(&memory[at..at + PIECE])
            {
                found(what);
            }
        }
    }
}

fn index(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

/// A value itself, in the encoding of tables and files, and as a big number is stored in memory.
fn forms(value: &SecretValue) -> [(&'static str, Vec<u8>); 3] {
    let bytes = value.expose().to_vec();
    let reversed = bytes.iter().rev().copied().collect();
    [
        ("in base64", value.to_base64().as_bytes().to_vec()),
        ("as a number", reversed),
        ("itself", bytes),
    ]
}

/// Every value of a table, by its name.
fn values(table: &Table) -> Vec<(String, SecretValue)> {
    let base64 = |value: &Value| SecretValue::from_base64(value.as_str().unwrap()).unwrap();
    let text = |text: &str| SecretValue::new(text.as_bytes().to_vec());
    let mut values = Vec::new();
    for (name, content) in table {
        if content["S"].is_string() {
            values.push((name.clone(), base64(&content["S"])));
        } else if content["SecretBinary"].is_string() {
            values.push((name.clone(), base64(&content["SecretBinary"])));
        } else {
            let held = content["SecretString"].as_str().unwrap();
            match serde_json::from_str::<Table>(held) {
                Ok(members) => values.extend(members.into_iter().map(|(field, value)| {
                    let is_armor = name == "/mail";
                    let value = if is_armor {
                        text(value.as_str().unwrap())
                    } else {
                        base64(&value)
                    };
                    (format!("{name}_{field}"), value)
                })),
                Err(_) => values.push((name.clone(), text(held))),
            }
        }
    }
    values
}

fn pieces(table: &Table) -> Pieces {
    let (public, secrets): (Vec<_>, Vec<_>) = values(table)
        .into_iter()
        .partition(|(name, _)| name.ends_with("_public"));
    assert_eq!((public.len(), secrets.len()), (2, 5));
    let public: Vec<_> = public.into_iter().map(|(_, value)| value).collect();
    Pieces::new(&secrets, &public)
}

#[rstest::rstest]
#[case::dynamodb(StoreName::DynamoDb, OF_DYNAMODB)]
#[case::secretsmanager(StoreName::SecretsManager, OF_SECRETS_MANAGER)]
fn memory_that_held_a_value_is_overwritten(#[case] store: StoreName, #[case] names: usize) {
    let (reach, reached) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let (may_go_on, is_first) = (Mutex::new(may_go_on), AtomicBool::new(true));
    let tokens = Mutex::new(BTreeSet::new());
    let cloud = Cloud::scripted(move |call, table| {
        let is_read = call.operation.contains("Get");
        let token = call.body["ClientRequestToken"].as_str().map(str::to_owned);
        // Every write is sent twice, so its success is read back.
        if token.is_some_and(|token| tokens.lock().unwrap().insert(token)) {
            return Some(error_response("InternalServerError", "try again"));
        }
        if is_read && table.len() == names && is_first.swap(false, Ordering::Relaxed) {
            // Everything is created and no file is written: every value is in memory.
            reach.send(table.clone()).unwrap();
            may_go_on.lock().unwrap().recv().unwrap();
        }
        None
    });

    let making = Container::new(&ANNOTATIONS);
    let mut init = Watched::start(cloud.configure(&mut making.command(), store), &making);
    let pieces = pieces(&reached.recv().unwrap());
    let alive = init.find(&pieces);
    for name in [
        "/password ",
        "/seed ",
        "/tls_private ",
        "/mail_private ",
        "/mail_password ",
    ] {
        let is_there = alive.iter().any(|found| found.starts_with(name));
        assert!(is_there, "{name}is in memory and was not found: {alive:?}");
    }
    go_on.send(()).unwrap();
    init.reach_last_line();
    assert_eq!(
        init.find(&pieces),
        BTreeSet::new(),
        "left by a run that made them"
    );

    let finding = Container::new(&ANNOTATIONS);
    let mut init = Watched::start(cloud.configure(&mut finding.command(), store), &finding);
    init.reach_last_line();
    let lists = |container: &Container| container.read("volume/secrets.properties");
    assert_eq!(lists(&making), lists(&finding));
    assert_eq!(
        init.find(&pieces),
        BTreeSet::new(),
        "left by a run that found them"
    );
}
