//! Which of several pods decides what a Secret is.
//!
//! The source that is recorded in the Secret stays, as long as a pod of it lives. Without one, the source whose content the
//! Secret has, and else that of the oldest pod. Sources with the same content share the Secret.

use k8s_openapi::jiff::Timestamp;

/// What a source offers for a Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offer {
    /// What asks for it, at least one.
    pub(super) sources: Vec<String>,
    /// When its oldest pod was created.
    pub(super) since: Option<Timestamp>,
    /// A number that is the same for the same content. `None`: the content is not known now.
    pub(super) content: Option<usize>,
}

/// Who decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// The offer with this index. Its content is known.
    Offer(usize),
    /// The content of the Secret stays, because that of its source is not known now.
    Stays,
    /// Nothing is known.
    Nothing,
}

/// Decides. `recorded` is the source in the Secret, and `stored` the number of its content, if an offer has it.
pub(super) fn choose(offers: &[Offer], recorded: Option<&str>, stored: Option<usize>) -> Choice {
    let of_recorded = offers
        .iter()
        .position(|offer| offer.sources.iter().any(|of| recorded == Some(of)));
    if let Some(index) = of_recorded {
        let is_known = offers.get(index).is_some_and(|of| of.content.is_some());
        return if is_known {
            Choice::Offer(index)
        } else {
            Choice::Stays
        };
    }
    let known = offers.iter().enumerate();
    let known = known.filter(|(_, offer)| offer.content.is_some());
    let first = known.min_by_key(|(_, offer)| {
        let is_other = stored.is_none() || offer.content != stored;
        // Without a time, it is the newest.
        (is_other, offer.since.is_none(), offer.since, &offer.sources)
    });
    first.map_or(Choice::Nothing, |(index, _)| Choice::Offer(index))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn offers(of: &[(&str, i64, Option<usize>)]) -> Vec<Offer> {
        let offer = |(source, since, content): &(&str, i64, Option<usize>)| Offer {
            sources: vec![(*source).to_owned()],
            since: Timestamp::from_second(*since).ok(),
            content: *content,
        };
        of.iter().map(offer).collect()
    }

    #[rstest]
    #[case::oldest(&[("a", 9, Some(0)), ("b", 5, Some(1))], None, None, Choice::Offer(1))]
    #[case::recorded(&[("a", 9, Some(0)), ("b", 5, Some(1))], Some("a"), Some(1), Choice::Offer(0))]
    #[case::recorded_is_not_known(&[("a", 9, None), ("b", 5, Some(1))], Some("a"), Some(1), Choice::Stays)]
    #[case::recorded_is_gone(&[("a", 9, Some(0)), ("b", 5, Some(1))], Some("c"), None, Choice::Offer(1))]
    #[case::content(&[("a", 9, Some(0)), ("b", 5, Some(1))], None, Some(0), Choice::Offer(0))]
    #[case::same_time(&[("b", 5, Some(0)), ("a", 5, Some(1))], None, None, Choice::Offer(1))]
    #[case::nothing(&[("a", 9, None)], None, None, Choice::Nothing)]
    fn the_first_one_decides(
        #[case] of: &[(&str, i64, Option<usize>)],
        #[case] recorded: Option<&str>,
        #[case] stored: Option<usize>,
        #[case] expected: Choice,
    ) {
        assert_eq!(choose(&offers(of), recorded, stored), expected);
    }
}
