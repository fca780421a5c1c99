//! Creating once: read, generate, create on condition, lose, read the winner's.
