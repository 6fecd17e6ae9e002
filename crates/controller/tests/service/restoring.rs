//! Backup and restore: nothing that was revoked comes back, no serial and no list number comes twice.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use a2a_core::certificate::revocation::Standing;
use a2a_node::passphrase::Passphrase;
use a2a_node::seal::Cost;
use serde_json::Value;
use tempfile::TempDir;

use crate::world::{Agent, World, code};

/// A controller whose backups can be read with what stands in the file `passphrase`.
async fn world() -> World {
    let world = World::with(|config| config.passphrase = passphrase()).await;
    let file = world.dir.path().join("passphrase");
    fs::write(&file, "correct horse").unwrap();
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    world
}

fn passphrase() -> Option<Passphrase> {
    let passphrase = Passphrase::new(b"correct horse".to_vec().into());
    passphrase.map(|passphrase| passphrase.with_cost(Cost::FOR_TESTS))
}

impl World {
    async fn backup(&self) -> PathBuf {
        let file = self.dir.path().join("backup");
        let report = self.command(&format!("backup {}", file.display())).await;
        assert_eq!(report["bytes"], fs::metadata(&file).unwrap().len());
        file
    }

    /// Stores the list as an agent does.
    async fn keep_list(&self) -> PathBuf {
        let file = self.dir.path().join("revocations.json");
        fs::write(&file, serde_json::to_vec_pretty(&self.list(None).await).unwrap()).unwrap();
        file
    }

    /// Stops the controller, and has the program restore the backup into `data`.
    async fn restored_in(self, data: &str, backup: &Path, list: Option<&Path>) -> (Self, Value) {
        let Self { dir, mut config, clock, node, .. } = self;
        node.shutdown().await.unwrap();
        let output = restore(&dir, data, backup, list);
        assert!(output.status.success(), "{output:?}");
        config.data_dir = dir.path().join(data);
        config.key_dir = config.data_dir.clone();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        (Self::start_in(dir, config, clock).await, report["result"].clone())
    }
}

fn restore(dir: &TempDir, data: &str, backup: &Path, list: Option<&Path>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_controller"));
    command.env_clear().current_dir(dir.path()).args(["--json", "--data-dir", data]);
    command.args(["--passphrase-from", "file:passphrase"]).arg("restore").arg(backup);
    if let Some(list) = list {
        command.arg("--revocations").arg(list);
    }
    command.output().unwrap()
}

#[tokio::test]
async fn with_the_latest_list_what_was_revoked_after_the_backup_stays_revoked() {
    let world = world().await;
    let (good, bad, late) = (Agent::new("good"), Agent::new("bad"), Agent::new("late"));
    let anchor = world.info().await.fingerprint();
    let of_good = world.enrol(&good).await.unwrap().certificate;
    let of_bad = world.enrol(&bad).await.unwrap().certificate;
    let backup = world.backup().await;
    let of_late = world.enrol(&late).await.unwrap().certificate;
    world.command("revoke bad").await;
    world.command("ban late").await;
    let number = world.list(None).await.number;
    let list = world.keep_list().await;
    let (world, report) = world.restored_in("new", &backup, Some(&list)).await;
    assert_eq!((&report["held"], &report["revoked"]), (&Value::Array(vec![]), &serde_json::json!(["bad"])));
    assert_eq!(world.info().await.fingerprint(), anchor);
    let revocations = world.revocations().await;
    assert!(revocations.number() > number, "it rises");
    assert_eq!(revocations.standing(&of_good), Standing::Good);
    assert_eq!(revocations.standing(&of_bad), Standing::Revoked);
    assert_eq!(revocations.standing(&of_late), Standing::Revoked, "of whom the backup knows nothing");
    assert_eq!(world.agents().await, ["good"]);
    world.renew(&good).await.unwrap();
    assert_eq!(code(world.renew(&bad).await), "agent_revoked");
    assert_eq!(code(world.enrol(&late).await), "key_revoked");
    assert_eq!(world.command("audit verify").await["whole"], true);
}

#[tokio::test]
async fn without_list_or_store_everybody_is_held() {
    let world = world().await;
    let (agent, banned) = (Agent::new("helper"), Agent::new("banned"));
    let certificate = world.enrol(&agent).await.unwrap().certificate;
    world.enrol(&banned).await.unwrap();
    world.command("ban banned").await;
    let token = world.token("unspent").await;
    let backup = world.backup().await;
    let (world, report) = world.restored_in("new", &backup, None).await;
    assert_eq!(report["held"], serde_json::json!(["helper"]));
    assert_eq!(world.revocations().await.standing(&certificate), Standing::Revoked);
    assert_eq!(code(world.renew(&agent).await), "agent_revoked");
    assert_eq!(code(world.enrol_with(&Agent::new("unspent"), &token).await), "token_spent");
    world.command("reinstate helper").await;
    world.renew(&agent).await.unwrap();
    assert_eq!(world.command_refused("reinstate banned").await, "agent_banned");
}

#[tokio::test]
async fn the_store_that_is_there_knows_better() {
    let world = world().await;
    let (kept, revoked, late) = (Agent::new("kept"), Agent::new("revoked"), Agent::new("late"));
    let of_kept = world.enrol(&kept).await.unwrap().certificate;
    world.enrol(&revoked).await.unwrap();
    let backup = world.backup().await;
    let of_late = world.enrol(&late).await.unwrap().certificate;
    world.command("revoke revoked").await;
    let number = world.list(None).await.number;
    let serials = [of_kept.serial, of_late.serial];
    let (world, report) = world.restored_in("data", &backup, None).await;
    assert_eq!(report["held"], Value::Array(vec![]));
    assert!(world.list(None).await.number > number);
    assert_eq!(world.agents().await, ["kept", "late"]);
    assert_eq!(code(world.renew(&revoked).await), "agent_revoked");
    let renewed = world.renew(&kept).await.unwrap().certificate;
    assert!(!serials.contains(&renewed.serial));
    assert_eq!(world.command("audit verify").await["whole"], true);
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_changes_nothing() {
    let world = world().await;
    world.enrol(&Agent::new("helper")).await.unwrap();
    let old_list = world.keep_list().await;
    world.command("revoke helper").await;
    let backup = world.backup().await;
    let running = restore(&world.dir, "data", &backup, None);
    assert!(String::from_utf8_lossy(&running.stdout).contains("in use"), "{running:?}");
    let dir = world.dir.clone();
    world.node.shutdown().await.unwrap();
    let refused = |data: &str, file: &Path, list: Option<&Path>| {
        let output = restore(&dir, data, file, list);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(refused("new", &backup, Some(&old_list)).contains("older than the backup"));
    assert!(refused("new", &old_list, None).contains("no backup"));
    let mut damaged = fs::read(&backup).unwrap();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(dir.path().join("damaged"), damaged).unwrap();
    assert!(refused("new", &dir.path().join("damaged"), None).contains("damaged"));
    let mut list: Value = serde_json::from_slice(&fs::read(&old_list).unwrap()).unwrap();
    list["number"] = (list["number"].as_u64().unwrap() + 1_000_000).into();
    fs::write(dir.path().join("forged"), list.to_string()).unwrap();
    assert!(refused("new", &backup, Some(&dir.path().join("forged"))).contains("forged"));
    // Another controller's keys are not gone over.
    let other = World::with(|_| {}).await;
    let keys = other.config.key_dir.join("controller.key");
    fs::create_dir(dir.path().join("taken")).unwrap();
    fs::copy(keys, dir.path().join("taken/controller.key")).unwrap();
    assert!(refused("taken", &backup, None).contains("another controller.key"));
}
