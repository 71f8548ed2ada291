//! What is secret is shown to nobody, and may stand in a file of its own.

use super::*;

#[test]
fn a_value_of_a_file_may_look_like_a_flag_and_secrets_are_taken_whole() {
    let file = Written::new("turn-secret = ['--a,b', 'c']\nredis-prefix = '--x='");
    let Run::Signal(args) = run(&format!("signal --config {} --", file.path())).0 else {
        panic!("signal");
    };
    assert_eq!(args.mint.turn_secret, ["--a,b", "c"]);
    assert_eq!(args.signal.redis.redis_prefix, "--x=");
}

#[test]
fn secrets_are_not_shown_but_where_they_come_from_is() {
    let file = Written::new("turn-user = ['bob:hunter2']");
    let secrets = Written::new("redis://u:hunter2@a\n");
    let line = format!(
        "config turn --config {} --turn-secret hunter2 --turn-secret hunter2 --redis-file {}",
        file.path(),
        secrets.path()
    );
    let text = printed(&line);
    assert!(!text.contains("hunter2"), "{text}");
    for line in [
        format!("# turn-user = [\"…\"] # {}:1, not shown", file.path()),
        "# turn-secret = [\"…\", \"…\"] # --turn-secret, not shown".to_owned(),
        "# redis = \"…\" # from the file of redis-file, not shown".to_owned(),
    ] {
        assert!(text.lines().any(|it| it == line), "{line} is not in {text}");
    }
    // Nor is it part of the file that is printed, which names the file of it already.
    let secrets = Written::new("redis://a\n");
    let text = printed(&format!("config turn --redis-file {}", secrets.path()));
    assert!(!text.contains("redis://a\""), "{text}");
    let file = Written::new(&text);
    let again = printed(&format!("config turn --config {}", file.path()));
    assert!(again.contains("# redis = \"…\" # from the file of redis-file, not shown"));
    let text = printed("config turn --redis redis://a");
    let is_shown = text.contains("\nredis = \"redis://a\" # --redis\n");
    assert!(is_shown, "{text}");
}

#[test]
fn a_wrong_value_of_a_secret_is_not_shown() {
    for line in [
        "--turn-user hunter2",
        "--redis http://hunter2",
        "--ice-server turn:hunter2@a",
        "config --turn-user hunter2",
    ] {
        let text = wrong(line);
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("'…'"), "{text}");
    }
    assert!(wrong("--suspend-window 8").contains("'8'"));
}

#[test]
fn what_is_secret_may_stand_in_a_file_of_its_own() {
    let users = Written::new("bob:a,b\n\nsue:c \n");
    let Run::Turn(args) = run(&format!("turn --turn-user-file {}", users.path())).0 else {
        panic!("turn");
    };
    let user = |name: &str, password: &str| (name.to_owned(), password.to_owned());
    assert_eq!(args.turn.turn_user, [user("bob", "a,b"), user("sue", "c")]);
    let file = Written::new(&format!(
        "redis = 'redis://a'\nturn-user-file = '{}'",
        users.path()
    ));
    let Run::Turn(args) = run(&format!("turn --config {}", file.path())).0 else {
        panic!("turn");
    };
    assert_eq!(args.turn.turn_user.len(), 2);
    assert_eq!(args.operation.redis.as_deref(), Some("redis://a"));
}

#[test]
fn a_file_of_secrets_and_the_secret_itself_go_by_their_layers() {
    let secret = Written::new("redis://from-secret-file");
    let redis = |line: &str| match run(line).0 {
        Run::Turn(args) => args.operation.redis,
        Run::Dev(_) | Run::Signal(_) => panic!("turn"),
    };
    let inline = Written::new("redis = 'redis://from-file'");
    let line = format!(
        "turn --config {} --redis-file {}",
        inline.path(),
        secret.path()
    );
    assert_eq!(redis(&line).as_deref(), Some("redis://from-secret-file"));
    let named = Written::new(&format!("redis-file = '{}'", secret.path()));
    let line = format!("turn --config {} --redis redis://flag", named.path());
    assert_eq!(redis(&line).as_deref(), Some("redis://flag"));
    let line = format!("turn --redis redis://flag --redis-file {}", secret.path());
    assert_eq!(wrong(&line), "--redis and --redis-file: give one of them");
}

#[test]
fn a_file_of_secrets_that_cannot_be_used_is_named_without_what_it_says() {
    assert!(wrong("turn --redis-file /nowhere").starts_with("--redis-file /nowhere: "));
    for text in ["http://u:hunter2@a", "", "redis://a\nredis://b"] {
        let secret = Written::new(text);
        let text = wrong(&format!("turn --redis-file {}", secret.path()));
        let start = format!("--redis-file {}: ", secret.path());
        assert!(
            text.starts_with(&start) && !text.contains("hunter2"),
            "{text}"
        );
    }
}
