//! Walks through identifiers, one log for each form that they have in the field.

use std::{collections::HashSet, fs, path::PathBuf};

use anyhow::{Context as _, Result};

use crate::{
    api,
    engine::Engine,
    logs,
    outcome::{FormOutcome, Outcome},
};

/// The cases that are such walks.
const CASES: [&str; 5] = ["07", "08", "09", "10", "15"];

/// Whose values are moments: they have to be values, but are nobody's account.
pub(crate) const MOMENTS: &str = "10/";

pub(crate) fn run() -> Result<()> {
    for (case, path) in of(&CASES)? {
        let mut engine = Engine::undeclared();
        let (mut raised, mut routes) = (Vec::new(), HashSet::new());
        let (mut walked, mut found, mut example) = (0, None, String::new());
        logs::read(&path, |call| {
            if walked == 0 {
                example = String::from_utf8_lossy(call.request.target()).into_owned();
            }
            walked += 1;
            routes.insert(engine.logged(call, &mut raised).route);
            if !raised.is_empty() {
                found.get_or_insert(walked);
            }
        })?;
        let routes = routes.len() as u64;
        api::tell(&Outcome::Form(FormOutcome { case, example, walked, routes, found }))?;
    }
    Ok(())
}

/// The logs of these cases, by name in their order; none where there are no cases.
pub(crate) fn of(cases: &[&str]) -> Result<Vec<(String, PathBuf)>> {
    let Some(directory) = logs::shared("cases") else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for case in cases {
        let folder = directory.join(case);
        for entry in fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))? {
            let path = entry.with_context(|| format!("read {}", folder.display()))?.path();
            if let Some(name) =
                path.file_stem().filter(|_| path.extension().is_some_and(|kind| kind == "log"))
            {
                found.push((format!("{case}/{}", name.to_string_lossy()), path));
            }
        }
    }
    found.sort();
    Ok(found)
}
