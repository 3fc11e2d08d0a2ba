//! `doctor`, `backup` and `restore`: what was typed → what it means.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::{UsageError, data_argument, flag};

/// What the doctor is to do, and how it is to tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoctorArguments {
    /// What to do.
    pub action: DoctorAction,
    /// One JSON object instead of sentences.
    pub json: bool,
    /// Every segment, also those without a finding.
    pub segments: bool,
}

/// What the doctor is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DoctorAction {
    /// Look, and change nothing.
    Examine,
    /// Put right what can be without a loss.
    Repair,
    /// Go on without what a damaged segment cannot give.
    CutDamaged {
        /// The segment's name.
        file: String,
        /// Where it is damaged.
        offset: usize,
    },
    /// Make the database anew.
    Rebuild {
        /// Even if something is missing then.
        accepts_loss: bool,
    },
}

/// What is to be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreArguments {
    /// The backup.
    pub backup: PathBuf,
    /// The folder to be made; nothing: only look.
    pub data: Option<PathBuf>,
    /// Read all of it again, and compare.
    pub verifies: bool,
}

pub(super) fn doctor_grammar() -> Command {
    let switch = |name, help| Arg::new(name).long(name).help(help).action(ArgAction::SetTrue);
    Command::new("doctor")
        .about("Examine the data directory and say what is damaged; changes nothing unless asked to")
        .long_about(
            "Examine the data directory: journal, database, secrets, space. Says what is wrong, what it means \
             for messages, and what to type next. Changes nothing, and works beside a running server; the \
             flags that change something need the server stopped.",
        )
        .after_help("Exit codes: 0 healthy, 1 damaged or failed, 2 not understood.")
        .arg(data_argument())
        .arg(switch("json", "Print one JSON object, for machines"))
        .arg(switch("segments", "List every segment of the journal"))
        .arg(
            switch(
                "repair",
                "Put right what can be without a loss: half-made files, permissions, indexes, rows of \
                 conversations",
            )
            .conflicts_with_all(["cut-damaged", "rebuild"]),
        )
        .arg(
            flag(
                "cut-damaged",
                "FILE@OFFSET",
                "Go on without what this damaged segment cannot give; the file is kept, and what is lost is told",
            )
            .conflicts_with("rebuild"),
        )
        .arg(switch("rebuild", "Make the database anew from the journal and what can be read of the old one"))
        .arg(
            switch("accept-loss", "With --rebuild: do it even if the new database lacks something")
                .requires("rebuild"),
        )
}

pub(super) fn backup_grammar() -> Command {
    Command::new("backup")
        .about(
            "Copy the data directory, also of a running server, complete to everything acknowledged before",
        )
        .after_help(
            "The backup is a folder: ringdesk.db, both secrets, and manifest.json, which is written last. \
             Keep it as safe as the data itself.",
        )
        .arg(
            Arg::new("folder")
                .value_name("DIR")
                .required(true)
                .value_parser(clap::value_parser!(PathBuf))
                .help("The folder to make; it must be absent or empty"),
        )
        .arg(data_argument())
}

pub(super) fn restore_grammar() -> Command {
    Command::new("restore")
        .about("Make a data directory of a backup, or verify a backup")
        .after_help(
            "Without --data, --verify only reads the backup and compares it with its manifest. RINGDESK_DATA \
             is not taken here: where to restore to must be typed.",
        )
        .arg(
            Arg::new("backup")
                .value_name("BACKUP")
                .required(true)
                .value_parser(clap::value_parser!(PathBuf))
                .help("A folder that ringdesk backup made"),
        )
        .arg(
            flag("data", "DIR", "The data directory to make; it must be absent or empty")
                .value_parser(clap::value_parser!(PathBuf)),
        )
        .arg(
            Arg::new("verify")
                .long("verify")
                .action(ArgAction::SetTrue)
                .help("Read everything again and compare hashes and counts with the manifest"),
        )
}

pub(super) fn doctor(given: &ArgMatches) -> Result<DoctorArguments, UsageError> {
    let action = if given.get_flag("repair") {
        DoctorAction::Repair
    } else if given.get_flag("rebuild") {
        DoctorAction::Rebuild { accepts_loss: given.get_flag("accept-loss") }
    } else if let Some(place) = given.get_one::<String>("cut-damaged") {
        let (file, offset) = place_of(place).ok_or_else(|| {
            UsageError::Value(format!(
                "--cut-damaged {place}: must be FILE@OFFSET as ringdesk doctor prints it, such as \
                 00-00000003.seg@8192"
            ))
        })?;
        DoctorAction::CutDamaged { file, offset }
    } else {
        DoctorAction::Examine
    };
    Ok(DoctorArguments { action, json: given.get_flag("json"), segments: given.get_flag("segments") })
}

/// `00-00000003.seg@8192`; the file may have folders before it.
fn place_of(text: &str) -> Option<(String, usize)> {
    let (file, offset) = text.rsplit_once('@')?;
    let file = file.rsplit('/').next().filter(|file| file.ends_with(".seg"))?;
    Some((file.to_owned(), offset.parse().ok()?))
}

pub(super) fn folder(given: &ArgMatches) -> PathBuf {
    given.get_one::<PathBuf>("folder").cloned().expect("the grammar requires it")
}

pub(super) fn restore(given: &ArgMatches) -> Result<RestoreArguments, UsageError> {
    let backup = given.get_one::<PathBuf>("backup").cloned().expect("the grammar requires it");
    let data = given.get_one::<PathBuf>("data").cloned();
    let verifies = given.get_flag("verify");
    if data.is_none() && !verifies {
        return Err(UsageError::Value(format!(
            "restore {}: name the data directory to make with --data, or only look with --verify",
            backup.display()
        )));
    }
    Ok(RestoreArguments { backup, data, verifies })
}
