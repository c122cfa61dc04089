use super::*;

const ALL: [NoClobber; 3] = [NoClobber::Rename, NoClobber::Link, NoClobber::CreateAndRename];

#[test]
fn a_name_that_is_taken_is_never_taken_away() {
    for way in ALL {
        let folder = tempfile::tempdir().expect("a folder");
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::write(&from, "new").expect("written");
        assert!(publish(way, &from, &to).expect("published"), "{way:?}");
        assert!(!from.exists(), "{way:?}");
        fs::write(&from, "other").expect("written");
        assert!(!publish(way, &from, &to).expect("refused"), "{way:?}");
        assert_eq!(fs::read_to_string(&to).expect("there"), "new", "{way:?}");
        assert!(from.exists(), "{way:?}");
    }
}

#[test]
fn it_is_the_file_system_or_the_file_that_refuses() {
    let fault = |errno: Errno| PlaceError::new("write", Path::new("x"), errno.into()).fault();
    let meet_all =
        [Errno::NOSPC, Errno::DQUOT, Errno::ROFS, Errno::ACCESS, Errno::STALE, Errno::IO];
    let meet_all_too = [Errno::NETUNREACH, Errno::KEYEXPIRED, Errno::MFILE, Errno::REMOTEIO];
    for errno in meet_all.into_iter().chain(meet_all_too) {
        assert_eq!(fault(errno), Fault::FileSystem, "{errno}");
    }
    for errno in [Errno::NAMETOOLONG, Errno::ILSEQ, Errno::FBIG] {
        assert_eq!(fault(errno), Fault::File, "{errno}");
    }
    assert_eq!(fault(Errno::NOTDIR), Fault::Unclear);
}

#[test]
fn parents_are_made_and_the_root_never_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("root");
    assert!(make_parents(&root, &root.join("a/b/c")).is_err());
    assert!(!root.exists());
    fs::create_dir(&root).expect("made");
    make_parents(&root, &root.join("a/b/c")).expect("made");
    assert!(root.join("a/b").is_dir());
}
