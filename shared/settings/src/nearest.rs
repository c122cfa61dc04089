/// The known word that was probably meant: at most a third of its letters off.
pub(crate) fn nearest<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, candidate)| distance * 3 <= candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Longer words are no slip of the keys, and the table grows with the product of the lengths.
const CHARS_MAX: usize = 64;

/// How many letters to put in, take out, change or swap with their neighbour, case set aside.
fn distance(from: &str, to: &str) -> usize {
    let from: Vec<char> = from.to_lowercase().chars().collect();
    let to: Vec<char> = to.to_lowercase().chars().collect();
    if from.len() > CHARS_MAX || to.len() > CHARS_MAX {
        return usize::MAX / 3;
    }
    // `steps[i][j]` is what it takes from the first i letters to the first j of the other word.
    let mut steps = vec![vec![0; to.len() + 1]; from.len() + 1];
    for i in 0..=from.len() {
        for j in 0..=to.len() {
            steps[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let changed = steps[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
                let least = changed.min(steps[i - 1][j] + 1).min(steps[i][j - 1] + 1);
                let swapped =
                    i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1];
                match swapped {
                    true => least.min(steps[i - 2][j - 2] + 1),
                    false => least,
                }
            };
        }
    }
    steps[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = ["client_id", "client_secret", "host", "url"];
        assert_eq!(nearest("cleint_id", known), Some("client_id"));
        assert_eq!(nearest("client-secret", known), Some("client_secret"));
        assert_eq!(nearest("Host", known), Some("host"));
        assert_eq!(nearest("hots", known), Some("host"));
        assert_eq!(nearest("password", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(nearest(&"x".repeat(100_000), known), None);
    }
}
