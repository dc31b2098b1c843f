//! A program as text for the machine's shell.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

/// Runs `command` in its folder and with its variables, with stdout and stderr into `output`.
pub(super) fn text(command: &Command, output: &str) -> String {
    let folder = command
        .get_current_dir()
        .map_or(OsStr::new("/"), Path::as_os_str);
    let variables = command.get_envs().filter_map(|(name, value)| {
        let (name, value) = (name.to_string_lossy(), quoted(value?));
        Some(format!("{name}={value}"))
    });
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let all: Vec<_> = variables.chain(words.map(quoted)).collect();
    format!(
        "cd {} && exec env {} > {output} 2>&1\n",
        quoted(folder),
        all.join(" ")
    )
}

fn quoted(word: &OsStr) -> String {
    format!("'{}'", word.to_string_lossy().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shell_changes_nothing() {
        let mut command = Command::new("echo");
        command.args(["it's", "$HOME", "a b"]).env("PF", "eth 0");
        assert_eq!(
            text(&command, "out"),
            "cd '/' && exec env PF='eth 0' 'echo' 'it'\\''s' '$HOME' 'a b' > out 2>&1\n"
        );
    }
}
