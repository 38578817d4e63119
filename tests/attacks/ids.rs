//! Attacks from a container with ids of its own, and otherwise the defaults. Where all else is off, it is the user namespace
//! that stops them.

use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use nix::libc;
use testkit::{USER, dir, needs};

use super::Container::Remapped;
use super::{attack, calls, others, secret};

/// What others try too.
macro_rules! as_well {
    ($($name:ident: $attack:path,)*) => {
        $(#[test]
        fn $name() {
            needs!(root, subuid, program = perl);
            attack(Remapped, $attack);
        })*
    };
}

as_well! {
    rename_the_host: calls::rename,
    read_the_hosts_keys: calls::read_a_key,
    load_a_program_into_the_kernel: calls::load_a_program,
    open_by_handle: calls::shocker,
    trace_a_process_of_the_host: others::trace,
    the_hosts_files_by_a_process_of_the_host: others::files_by_a_process,
    join_a_namespace_of_the_host_and_rename_it: others::join_and_rename,
    unmount_what_hides: others::uncover,
    open_the_kernels_log: others::open_the_log,
}

#[test]
fn forge_a_packet() {
    needs!(root, subuid, program = perl, program = ip);
    attack(Remapped, |container| {
        let up = Command::new("ip").args(["link", "set", "lo", "up"]).status().expect("start ip");
        assert!(up.success());
        let service = UdpSocket::bind("127.0.0.1:0").expect("bind");
        service.set_read_timeout(Some(Duration::from_millis(50))).expect("setsockopt");
        let port = service.local_addr().expect("getsockname").port();
        // An answer as from a name server, on port 53: ports and length, then the text.
        let script = format!(
            r#"socket(my $raw, {}, {}, {}) or die $!; my $to = pack("Sna4x8", {}, 0, pack("C4", 127, 0, 0, 1));
               send($raw, pack("n4a4", 53, {port}, 12, 0, "evil"), 0, $to)"#,
            libc::AF_INET,
            libc::SOCK_RAW,
            libc::IPPROTO_UDP,
            libc::AF_INET
        );
        let said = container.perl("", &script);
        let worked = service.recv_from(&mut [0; 16]).is_ok_and(|(_, from)| from.port() == 53);
        container.judge(&[], worked, &said);
    });
}

#[test]
fn leave_a_set_user_id_program_in_a_volume() {
    needs!(root, subuid);
    attack(Remapped, |container| {
        let ((path, text), volume) = (secret(), dir().join("volume"));
        fs::create_dir(&volume).expect("mkdir");
        // Everybody may write there.
        fs::set_permissions(&volume, PermissionsExt::from_mode(0o777)).expect("chmod");
        let flags = format!("-v {}:/volume", volume.display());
        let said = container.run(&flags, "cat $(command -v cat) >/volume/door; chmod 4755 /volume/door");
        // Somebody else of the host.
        let door = Command::new(volume.join("door")).arg(path).uid(USER).gid(USER).output();
        let worked = door.as_ref().is_ok_and(|door| door.stdout == text.as_bytes());
        container.judge(&[], worked, &format!("{said}{door:?}"));
    });
}

#[test]
fn write_to_a_file_of_roots_in_a_volume() {
    needs!(root, subuid);
    attack(Remapped, |container| {
        let volume = dir().join("volume");
        fs::create_dir(&volume).expect("mkdir");
        fs::write(volume.join("important"), "").expect("a file");
        let said = container.run(&format!("-v {}:/volume", volume.display()), "echo evil >/volume/important");
        let worked = fs::read_to_string(volume.join("important")).expect("a file") == "evil\n";
        container.judge(&[], worked, &said);
    });
}
