use super::*;

fn read(text: &str) -> Target {
    Target::read(&format!("User ID=u;Password=p;{text}"))
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str) -> String {
    let read = Target::read(&format!("User ID=u;Password=p;Server=s;{text}"));
    read.err().unwrap_or_else(|| panic!("{text} is understood")).to_string()
}

#[test]
fn a_server_is_named_in_all_the_ways_that_people_write() {
    let cases = [
        ("tcp:sql.example.com,1433", "sql.example.com:1433"),
        ("sql.example.com", "sql.example.com:1433"),
        ("TCP:sql.example.com , 14330", "sql.example.com:14330"),
        ("(local)", "localhost:1433"),
        (".", "localhost:1433"),
        (".\\SQLEXPRESS", "localhost\\SQLEXPRESS"),
        ("host\\SQLEXPRESS", "host\\SQLEXPRESS"),
        ("host\\SQLEXPRESS,1500", "host:1500"),
        ("host\\mssqlserver", "host:1433"),
        ("[2001:db8::1],1433", "2001:db8::1:1433"),
    ];
    for (server, shown) in cases {
        assert_eq!(read(&format!("Server={server}")).address.to_string(), shown, "{server}");
        assert_eq!(read(&format!("data source='{server}'")).address.to_string(), shown, "{server}");
    }
    assert_eq!(read("Server=a;Addr=b").address.host, "b", "the last one counts");
    assert_eq!(read("Server=h\\I").address.endpoint, Endpoint::Instance("I".to_owned()));
}

#[test]
fn values_are_quoted_as_ado_net_has_it() {
    let pairs = |text: &str| pairs::of(text).expect("a string");
    let one = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    assert_eq!(pairs("Password=a=b c ;"), one("Password", "a=b c"));
    assert_eq!(pairs(" Password = 'a;''b\"' ;; "), one("Password", "a;'b\""));
    assert_eq!(pairs("Password=\"a\"\"b;\""), one("Password", "a\"b;"));
    assert_eq!(pairs("Password={a;'b}"), one("Password", "a;'b"));
    assert_eq!(pairs("Password=pass'wörd"), one("Password", "pass'wörd"));
    assert_eq!(pairs("a==b=c"), one("a=b", "c"));
    assert_eq!(pairs("Database="), one("Database", ""));
    assert!(pairs::of("").expect("nothing").is_empty());
    for broken in
        ["Server", "=x", "Password='a", "Password='a'b", "Password={a", "Server=x;Password"]
    {
        assert!(pairs::of(broken).is_err(), "{broken}");
    }
}

#[test]
fn what_other_drivers_need_is_let_pass() {
    read(
        "Server=s;Initial Catalog=d;Persist Security Info=False;MultipleActiveResultSets=False;Encrypt=True;\
         TrustServerCertificate=False;Connection Timeout=30;Pooling=true;Max Pool Size=100;ApplicationIntent=ReadWrite;\
         Integrated Security=false;Authentication=Sql Password;Network Library=DBMSSOCN;Column Encryption Setting=Disabled",
    );
}

#[test]
fn a_keyword_that_means_nothing_here_is_named_with_its_cure() {
    let cases = [
        ("Integrated Security=SSPI", "Integrated Security can't be had here", "User ID"),
        ("Trusted_Connection=yes", "Trusted_Connection can't be had here", "Access Token File"),
        (
            "Authentication=Active Directory Default",
            "Authentication=Active Directory Default",
            "Access Token File",
        ),
        ("Authentication=ActiveDirectoryIntegrated", "Authentication=", "Windows logins"),
        ("ApplicationIntent=ReadOnly", "ApplicationIntent=ReadOnly", "sluice writes"),
        ("Failover Partner=other", "Failover Partner", "availability group"),
        ("AttachDbFilename=c:\\x.mdf", "AttachDbFilename", "attach the file on the server"),
        ("Server Certificate=c:\\x.cer", "Server Certificate", "TrustServerCertificateCA"),
        (
            "Column Encryption Setting=Enabled",
            "Column Encryption Setting=Enabled",
            "no encrypted columns",
        ),
        ("Network Library=dbnmpntw", "Network Library=dbnmpntw", "TCP"),
        ("Driver={ODBC Driver 18 for SQL Server}", "Driver", "ADO.NET"),
        ("Server=np:host", "Server=np:host", "tcp:"),
        ("Server=(localdb)\\v11.0", "LocalDB", "SQL Server Express"),
        ("Server=host,port", "Server=host,port", "a number"),
        ("Server=host:1433", "Server=host:1433", "behind a comma"),
        ("Encrypt=maybe", "Encrypt=maybe", "true, false or strict"),
        ("Connect Timeout=soon", "Connect Timeout=soon", "number of seconds"),
        ("TrustServerCertificate=1", "TrustServerCertificate=1", "true or false"),
        ("Packet Size=1", "Packet Size=1", "512 to 32767"),
        (
            "TrustServerCertificate=true;TrustServerCertificateCA=x",
            "TrustServerCertificate beside",
            "keep the second",
        ),
        ("Sever=x", "\"Sever\" is no keyword", "spelt"),
    ];
    for (text, named, cure) in cases {
        let error = refused(text);
        assert!(error.contains(named) && error.contains(cure), "{text}: {error}");
    }
    let error = Target::read("User ID=u").err().expect("no server").to_string();
    assert!(error.contains("lacks Server"), "{error}");
    let error = Target::read("Server=s").err().expect("no login").to_string();
    assert!(error.contains("lacks User ID"), "{error}");
}

#[test]
fn no_refusal_shows_a_secret() {
    for text in [
        "Password='sec'ret'",
        "Password=secret;x",
        "Pwd=\"secret",
        "Password=x;sec=ret",
        "Password=secret;Encrypt=2",
    ] {
        assert!(!refused(text).contains("sec"), "{text}");
    }
}

#[test]
fn a_token_takes_the_place_of_a_login() {
    let target = Target::read("Server=s;Access Token File=/run/token").expect("a token");
    assert_eq!(target.token_file.as_deref(), Some("/run/token".as_ref()));
    Target::read("Server=s;Access Token=abc").expect("a token");
}

#[test]
fn times_are_seconds_and_0_is_no_limit() {
    assert_eq!(read("Server=s").connect_timeout, CONNECT);
    let target = read("Server=s;Connect Timeout=3;Command Timeout=7");
    assert_eq!(target.connect_timeout, Duration::from_secs(3));
    assert_eq!(target.config.get_command_timeout(), Some(Duration::from_secs(7)));
    assert_eq!(read("Server=s;Command Timeout=0").config.get_command_timeout(), None);
    assert_eq!(read("Server=s").config.get_command_timeout(), Some(SILENCE));
}

#[test]
fn a_database_is_named_for_people() {
    assert_eq!(read("Server=tcp:h,1;Database=d").place(), "the database d on h:1");
    assert_eq!(read("Server=h\\I").place(), "the login's own database on h\\I");
}
