use std::path::Path;

use anyhow::{anyhow, bail};
use domain::DestinationId;
use queue::Lying;
use settings::Settings;

use crate::arguments::{DeadLetters, Which};
use crate::data_dir::connect;
use crate::table::{plain, table};

pub(crate) async fn run(
    command: DeadLetters,
    settings: &Settings,
    data_dir: &Path,
) -> anyhow::Result<()> {
    let dead = connect(settings, data_dir).await?.dead_letters();
    let lying = dead.list().await?;
    match command {
        DeadLetters::List => list(&lying),
        DeadLetters::Show { number } => show(one(&lying, number)?),
        DeadLetters::Retry(which) => {
            for letter in chosen(&lying, &which)? {
                if dead.retry(letter, &person()).await? {
                    println!("{}: will be tried again", letter.sequence);
                } else {
                    println!(
                        "{}: can't be tried again: the message names nothing that a worker could do; discard it",
                        letter.sequence
                    );
                }
            }
        }
        DeadLetters::Discard(which) => {
            for letter in chosen(&lying, &which)? {
                dead.discard(letter, &person()).await?;
                println!("{}: discarded", letter.sequence);
            }
        }
    }
    Ok(())
}

fn list(lying: &[Lying]) {
    if lying.is_empty() {
        println!("There are no dead letters.");
        return;
    }
    let rows = lying.iter().map(|lying| {
        let letter = &lying.letter;
        [
            lying.sequence.to_string(),
            letter.settled_at.format("%Y-%m-%d %H:%M:%S").to_string(),
            letter.worker.clone(),
            about(lying),
            letter.reason.clone(),
        ]
    });
    print!("{}", table(["number", "since (UTC)", "worker", "about", "reason"], rows));
    println!(
        "\n`sluice dead-letters retry NUMBER` has one tried again, `discard NUMBER` gives it up."
    );
}

fn show(lying: &Lying) {
    let letter = &lying.letter;
    println!("number       {}", lying.sequence);
    println!("about        {}", plain(&about(lying)));
    println!("worker       {}", letter.worker);
    println!("destination  {}", letter.destination.as_ref().map_or("-", DestinationId::as_str));
    println!("verdict      {:?}", letter.verdict);
    println!("reason       {}", plain(&letter.reason));
    println!("attempts     {}", letter.attempts);
    println!("since        {}", letter.settled_at);
    println!(
        "message      {} of {}, {}, {} bytes",
        letter.letter.sequence,
        letter.letter.stream,
        letter.letter.subject,
        letter.letter.payload.len()
    );
    if let Ok(fact) = messages::decode(&letter.letter.payload) {
        println!("fact         {fact:#?}");
    }
}

fn about(lying: &Lying) -> String {
    let letter = &lying.letter;
    letter.artifact.as_ref().map_or_else(|| letter.letter.subject.clone(), ToString::to_string)
}

fn one(lying: &[Lying], number: u64) -> anyhow::Result<&Lying> {
    lying.iter().find(|lying| lying.sequence == number).ok_or_else(|| {
        anyhow!("there is no dead letter {number}: `sluice dead-letters list` shows all")
    })
}

fn chosen<'a>(lying: &'a [Lying], which: &Which) -> anyhow::Result<Vec<&'a Lying>> {
    match which.number {
        Some(number) => Ok(vec![one(lying, number)?]),
        None if lying.is_empty() => bail!("there are no dead letters"),
        None => Ok(lying.iter().collect()),
    }
}

/// Who acts, as the activity log keeps it.
pub(crate) fn person() -> String {
    std::env::var("SUDO_USER")
        .or_else(|_| std::env::var("USER"))
        .unwrap_or_else(|_| "somebody".to_owned())
}
