//! Words to make sessions of: many scripts, and what tends to break programs.

pub(crate) const PEOPLE: [&str; 28] = [
    "Ada Lovelace",
    "Jürgen Groß",
    "Zoë Brontë",
    "Łukasz Żółć",
    "Ñandú Peña",
    "Søren Ærø",
    "İlker Şahin",
    "Ελένη Παπαδοπούλου",
    "Дмитрий Щукин",
    "מרים כהן",
    "ليلى حسن",
    "अर्जुन शर्मा",
    "สมชาย ใจดี",
    "王小明",
    "山田 花子",
    "김민수",
    "Nguyễn Thị Hằng",
    "გიორგი მაისურაძე",
    "Արամ Սարգսյան",
    "𠮷野家 太郎",
    "𝒜𝓁𝒾𝒸ℯ",
    "Bob \"🦀\" Crab",
    "👩‍👩‍👧‍👦 family",
    "O'Brien & Sons <support>",
    "Robert'); DROP TABLE session;--",
    "  padded  ",
    "cafe\u{301} (combining)",
    "\u{202e}right to left",
];

pub(crate) const HOSTS: [&str; 10] = [
    "SRV01",
    "dc-1.example.com",
    "WIN-7Q2K9",
    "büro-pc",
    "macbook-ada.local",
    "db_main",
    "ФИЛИАЛ-3",
    "kiosk 12",
    "localhost",
    "a-very-long-host-name-that-somebody-once-typed-and-nobody-dared-to-shorten-since.branch.example.com",
];

pub(crate) const SYSTEMS: [&str; 7] = [
    "Windows Server 2022",
    "Windows 11 Pro (x64)",
    "macOS 15.2",
    "Ubuntu 24.04.1 LTS",
    "Android 15",
    "Windows® 7 Ultimate — “N”",
    "Unknown",
];

pub(crate) const GROUPS: [&str; 6] =
    ["Servers", "Kassen / tills", "北京", "R&D", "Default", "Außendienst"];

pub(crate) const TEAMS: [&str; 5] =
    ["Service Desk", "Équipe réseau", "Second line", "営業", "Ops <night>"];

pub(crate) const COMPANIES: [&str; 5] =
    ["Example GmbH & Co. KG", "Société Générique", "株式会社例", "ACME", ""];

pub(crate) const SENTENCES: [&str; 14] = [
    "Hello, how can I help?",
    "The printer says PC LOAD LETTER.",
    "Können Sie bitte neu starten?",
    "Это не работает с утра.",
    "再起動しました。ありがとう！",
    "שלום, אני רואה את המסך",
    "👍🏽 done 🎉",
    "first line\nsecond line\n\tindented",
    "if (a < b && b > c) { print(\"x\"); }",
    "<b>not bold</b> &amp; not an entity",
    "ends the section: ]]> here",
    "C:\\Users\\Jörg\\Desktop\\Rechnung (1).pdf",
    "100 % sure; it's 'quoted', \"twice\"",
    "𝕌𝕟𝕚𝕔𝕠𝕕𝕖 beyond the first plane: 𠜎𠜱𠝹",
];

pub(crate) const PATHS: [&str; 8] = [
    "C:\\a.pdf",
    "C:\\Program Files (x86)\\Tool\\config.ini",
    "/var/log/messages",
    "/home/ünal/Überblick.odt",
    "D:\\报告\\第一季度.xlsx",
    "\\\\share\\public\\setup & run.exe",
    "/tmp/a b;c.txt",
    "C:\\Users\\Public\\🦀.rs",
];

pub(crate) const PROGRAMS: [(&str, &str); 5] = [
    ("explorer.exe", "Downloads"),
    ("mmc.exe", "Services"),
    ("cmd.exe", "Administrator: Command Prompt"),
    ("winword.exe", "Angebot für Müller.docx - Word"),
    ("chrome.exe", "受信トレイ (12) — Mail"),
];

pub(crate) const COMMANDS: [&str; 5] = [
    "ipconfig /all",
    "sudo systemctl restart nginx && journalctl -u nginx",
    "dir C:\\",
    "echo 'é' > /tmp/x",
    "exit",
];

pub(crate) const ACTIONS: [&str; 4] = [
    "Task Manager",
    "Redémarrer l’ordinateur",
    "Registry Editor",
    "Windows Security (Ctrl-Alt-Del)",
];

pub(crate) const ATTRIBUTES: [(&str, &str, &str); 4] = [
    ("Ticket", "ticket", "INC0001"),
    ("Kostenstelle", "cost_center", "4711-Ä"),
    ("Approved by", "approved_by", ""),
    ("備考", "remarks", "至急 & 重要"),
];
