//! The protocol, broken in six ways. Two of them break what the store is asked for; the others
//! falsify what a writer's machines are told, so that the machines that ship stay as they are.

/// One way to break the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Mutation {
    /// Writes without the condition that the names are absent.
    NoCondition,
    /// Writes the fields of a generation one by one and ignores a conflict, as the original does.
    FieldsApart,
    /// Reports an error if a batch returned only some fields of a generation, without a second read.
    NoSecondLook,
    /// Keeps its own values after losing the race.
    OwnKept,
    /// Sends a write again without looking whether it was carried out.
    NoLook,
    /// Believes the success of a repeated write without reading back.
    NoReadBack,
}
