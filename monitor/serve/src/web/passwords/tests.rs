use std::future::Future;

use super::*;

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(test)
}

fn users() -> BTreeMap<String, String> {
    [("alice".to_owned(), bcrypt::hash("secret", 4).unwrap())].into()
}

fn basic(pair: &str) -> HeaderValue {
    HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair))).unwrap()
}

fn address(last: u8) -> IpAddr {
    [192, 0, 2, last].into()
}

#[test]
fn who_is_let_in() {
    run(async {
        let (passwords, users) = (Passwords::new(), users());
        for (field, verdict) in [
            (Some(basic("alice:secret")), Verdict::Right),
            (Some(basic("alice:secret")), Verdict::Right),
            (Some(basic("alice:other")), Verdict::Wrong),
            (Some(basic("alice:other")), Verdict::Wrong),
            (Some(basic("alice:")), Verdict::Wrong),
            (Some(basic("bob:secret")), Verdict::Wrong),
            (Some(basic("alice")), Verdict::Wrong),
            (Some(HeaderValue::from_static("Bearer x")), Verdict::Wrong),
            (Some(HeaderValue::from_static("Basic ?")), Verdict::Wrong),
            (None, Verdict::Wrong),
        ] {
            assert_eq!(passwords.check(&users, field.as_ref(), address(1)).await, verdict, "{field:?}");
        }
        let lower = HeaderValue::from_static("basic YWxpY2U6c2VjcmV0");
        assert_eq!(passwords.check(&users, Some(&lower), address(1)).await, Verdict::Right);
    });
}

#[test]
fn a_new_hash_is_compared_anew() {
    run(async {
        let (passwords, mut users) = (Passwords::new(), users());
        let field = basic("alice:secret");
        assert_eq!(passwords.check(&users, Some(&field), address(1)).await, Verdict::Right);
        users.insert("alice".to_owned(), bcrypt::hash("changed", 4).unwrap());
        assert_eq!(passwords.check(&users, Some(&field), address(1)).await, Verdict::Wrong);
    });
}

#[test]
fn an_unknown_user_is_compared_with_the_dearest_hash() {
    let mut users = users();
    users.insert("bob".to_owned(), bcrypt::hash("x", 5).unwrap());
    let hash = nobody(&users);
    assert!(hash.starts_with("$2y$05$"), "{hash}");
    assert!(!bcrypt::verify("secret", &hash).unwrap());
}

#[test]
fn guesses_wait_for_each_other_and_not_for_long_lines() {
    run(async {
        let passwords = Arc::new(Passwords::new());
        // The hash is dear enough for the others to come meanwhile.
        let users: Arc<BTreeMap<_, _>> =
            Arc::new([("alice".to_owned(), bcrypt::hash("secret", 8).unwrap())].into());
        let ask = |guess: String, from: IpAddr| {
            let (passwords, users) = (Arc::clone(&passwords), Arc::clone(&users));
            tokio::spawn(async move { passwords.check(&users, Some(&basic(&guess)), from).await })
        };
        // Who is known does not wait at all.
        assert_eq!(ask("alice:secret".to_owned(), address(1)).await.unwrap(), Verdict::Right);
        let guesses: Vec<_> = (0..20).map(|n| ask(format!("alice:{n}"), address(1))).collect();
        let others: Vec<_> = (2..20).map(|n| ask(format!("alice:x{n}"), address(n))).collect();
        assert_eq!(ask("alice:secret".to_owned(), address(1)).await.unwrap(), Verdict::Right);
        let mut verdicts = Vec::new();
        for guess in guesses.into_iter().chain(others) {
            verdicts.push(guess.await.unwrap());
        }
        let count = |verdict| verdicts.iter().filter(|&&other| other == verdict).count();
        assert_eq!(count(Verdict::TooMany), 20 - WAITING_EACH);
        assert_eq!(count(Verdict::Busy), 18 - (WAITING - WAITING_EACH));
        assert_eq!(count(Verdict::Wrong), WAITING);
        // The line is free again.
        assert_eq!(ask("alice:last".to_owned(), address(1)).await.unwrap(), Verdict::Wrong);
    });
}
