//! The whole decision, from outside: pods in, patches and refusals out.

mod hostile;
mod injecting;
mod oracle;
mod pods;
mod policy;
mod refusing;
mod repeating;
mod reviewing;
mod settings;
mod skipping;
