//! Memory from files.

use super::*;

const FILES: &str =
    "[memory]\nfiles = [{ path = \"/dev/hugepages/{instance}\", size = \"1GiB\", node = 1 }]\n";

#[test]
fn each_instance_has_a_memory_file_of_its_own() {
    let config = parse(&format!("{MINIMAL}{FILES}")).unwrap();
    let file = &config.memory.as_ref().unwrap().files[0];
    assert_eq!(file.path_of(InstanceId::A), Path::new("/dev/hugepages/a"));
    assert_eq!(file.path_of(InstanceId::B), Path::new("/dev/hugepages/b"));
    assert_eq!((file.size.unwrap().mib(), file.node), (1024, Some(1)));

    let shared = "[memory]\nfiles = [{ path = \"/dev/hugepages/one\" }]\n";
    let message = error_of(shared);
    assert_parts(
        &message,
        &["memory.files[0]", "both instances", "{instance}", "standby"],
    );
    let alone = format!("{MINIMAL}standby = false\n{shared}");
    assert!(parse(&alone).is_ok());
}

#[test]
fn memory_files_and_other_memory_exclude_each_other() {
    let text = format!("{MINIMAL}memory = \"64MiB\"\n{FILES}");
    assert_parts(&error_of_text(&text), &["vswitch.memory", "not used"]);
    assert_parts(
        &error_of("[memory]\nfiles = []\n"),
        &["memory.files", "0 files"],
    );
    let twice = "[memory]\nfiles = [{ path = \"/h/{instance}\" }, { path = \"/h/{instance}\" }]\n";
    assert_parts(&error_of(twice), &["memory.files[1]", "the same file"]);
    let relative = "[memory]\nfiles = [{ path = \"h/{instance}\" }]\n";
    assert_parts(
        &error_of(relative),
        &["memory.files[0]", "not an absolute path"],
    );
}
