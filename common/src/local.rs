//! Local mode's derivation: the same bytes for a name on every run and machine.
