//! A writer of reports in several hands, to be read back.

use std::fmt::Write;

use session_report::*;

/// How a report is written; what it says is the same.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    pub prefix: &'static str,
    pub namespace: &'static str,
    pub cdata: bool,
    pub spaced: bool,
    pub attributes_reversed: bool,
    pub comments: bool,
    pub url_token: u32,
}

pub const PLAIN: Style = Style {
    prefix: "",
    namespace: "http://www.beyondtrust.com/sra/namespaces/API/reporting",
    cdata: false,
    spaced: false,
    attributes_reversed: false,
    comments: false,
    url_token: 1,
};

pub const ORNATE: Style = Style {
    prefix: "r:",
    namespace: "http://www.bomgar.com/namespaces/API/reporting",
    cdata: true,
    spaced: true,
    attributes_reversed: true,
    comments: true,
    url_token: 2,
};

impl Style {
    /// A document with these sessions.
    pub fn document(&self, sessions: &[Session]) -> String {
        let prefix = self.prefix.trim_end_matches(':');
        let colon = if prefix.is_empty() { "" } else { ":" };
        let mut xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{}session_list xmlns{colon}{prefix}=\"{}\">",
            self.prefix, self.namespace
        );
        for session in sessions {
            xml.push_str(&self.session(session));
        }
        let _infallible = write!(xml, "</{}session_list>", self.prefix);
        xml
    }

    /// A session element.
    pub fn session(&self, session: &Session) -> String {
        let mut hand = Hand { style: *self, xml: String::new() };
        hand.session(session);
        hand.xml
    }
}

struct Hand {
    style: Style,
    xml: String,
}

type Attributes<'a> = &'a [(&'a str, &'a Option<Text>)];

impl Hand {
    fn element(&mut self, name: &str, attributes: Attributes<'_>, content: impl FnOnce(&mut Self)) {
        let prefix = self.style.prefix;
        let _infallible = write!(self.xml, "<{prefix}{name}");
        let mut attributes = attributes.to_vec();
        if self.style.attributes_reversed {
            attributes.reverse();
        }
        for (name, value) in attributes {
            if let Some(value) = value {
                let _infallible = write!(self.xml, " {name}=\"{}\"", escaped(value, true));
            }
        }
        self.xml.push('>');
        content(self);
        let _infallible = write!(self.xml, "</{prefix}{name}>");
    }

    fn space(&mut self) {
        if self.style.spaced {
            self.xml.push_str("\r\n\t ");
        }
        if self.style.comments {
            self.xml.push_str("<!-- <b> & --><?p i?>");
        }
    }

    fn parent(&mut self, name: &str, attributes: Attributes<'_>, content: impl FnOnce(&mut Self)) {
        self.space();
        self.element(name, attributes, |hand| {
            hand.space();
            content(hand);
            hand.element("something_new", &[], |_| ());
            hand.space();
        });
    }

    fn leaf(&mut self, name: &str, attributes: Attributes<'_>, text: &Option<Text>) {
        self.space();
        let text = text.as_deref().unwrap_or_default();
        self.element(name, attributes, |hand| hand.text(text));
    }

    fn text(&mut self, text: &str) {
        if !self.style.cdata {
            self.xml.push_str(&escaped(text, false));
            return;
        }
        // A carriage return survives only as a reference.
        for (index, part) in text.split('\r').enumerate() {
            if index > 0 {
                self.xml.push_str("&#xD;");
            }
            if !part.is_empty() {
                let _infallible =
                    write!(self.xml, "<![CDATA[{}]]>", part.replace("]]>", "]]]]><![CDATA[>"));
            }
            if self.style.comments {
                self.xml.push_str("<!-- between -->");
            }
        }
    }

    fn field(&mut self, name: &str, text: &Option<Text>) {
        if text.is_some() {
            self.leaf(name, &[], text);
        }
    }

    fn url(&mut self, name: &str) {
        let token = Some(
            format!("https://site/session_download?lsid=l%3Da&h={:040x}", self.style.url_token)
                .into(),
        );
        self.leaf(name, &[], &token);
    }

    fn session(&mut self, session: &Session) {
        let lsid = session.lsid.as_ref().map(|lsid| Text::from(lsid.as_str()));
        self.element("session", &[("lsid", &lsid)], |hand| {
            hand.events(&session.events);
            hand.head(session);
            hand.recordings(session);
            hand.people(session);
            hand.space();
        });
    }

    fn head(&mut self, session: &Session) {
        self.field("session_type", &session.session_type);
        self.field("lseq", &session.lseq);
        for (name, moment) in [("start_time", &session.start_time), ("end_time", &session.end_time)]
        {
            if let Some(moment) = moment {
                self.leaf(name, &[("timestamp", &moment.timestamp)], &moment.text);
            }
        }
        self.field("duration", &session.duration);
        for (name, named) in [
            ("public_site", &session.public_site),
            ("jumpoint", &session.jumpoint),
            ("primary_team", &session.primary_team),
        ] {
            if let Some(named) = named {
                self.leaf(name, &[("id", &named.id)], &named.name);
            }
        }
        if let Some(group) = &session.jump_group {
            self.leaf("jump_group", &[("id", &group.id), ("type", &group.kind)], &group.name);
        }
        self.field("external_key", &session.external_key);
        self.parent("custom_attributes", &[], |hand| {
            for attribute in &session.custom_attributes {
                let names = [
                    ("display_name", &attribute.display_name),
                    ("code_name", &attribute.code_name),
                ];
                hand.leaf("custom_attribute", &names, &attribute.value);
            }
        });
        self.field("file_transfer_count", &session.file_transfer_count);
        self.field("file_move_count", &session.file_move_count);
        self.field("file_delete_count", &session.file_delete_count);
    }

    fn recordings(&mut self, session: &Session) {
        self.url("session_chat_view_url");
        if session.has_session_recording {
            self.url("session_recording_download_url");
        }
        for (name, instances) in [
            ("command_shell_recording", &session.command_shell_recordings),
            ("show_my_screen_recording", &session.show_my_screen_recordings),
        ] {
            self.parent(&format!("{name}s"), &[], |hand| {
                for instance in instances {
                    hand.parent(
                        name,
                        &[("instance", &Some(instance.to_string().into()))],
                        |hand| hand.url("view_url"),
                    );
                }
            });
        }
    }

    fn actor(&mut self, name: &str, actor: &Option<Actor>) {
        if let Some(actor) = actor {
            let attributes =
                [("gsnumber", &actor.gsnumber), ("id", &actor.id), ("type", &actor.kind)];
            self.leaf(name, &attributes, &actor.name);
        }
    }

    fn people(&mut self, session: &Session) {
        self.actor("primary_customer", &session.primary_customer);
        self.actor("primary_rep", &session.primary_rep);
        self.parent("customer_list", &[], |hand| {
            session.customers.iter().for_each(|c| hand.customer(c))
        });
        self.parent("rep_list", &[], |hand| {
            session.representatives.iter().for_each(|r| hand.representative(r))
        });
        self.parent("team_list", &[], |hand| {
            for team in &session.teams {
                hand.parent("team", &[("id", &team.id)], |hand| {
                    hand.field("primary_team", &team.primary_team);
                    hand.field("name", &team.name);
                });
            }
        });
    }

    fn customer(&mut self, customer: &Customer) {
        self.parent("customer", &[("gsnumber", &customer.gsnumber)], |hand| {
            hand.parent("info", &[], |hand| {
                hand.field("details", &customer.info_details);
                hand.field("name", &customer.info_name);
                hand.field("company", &customer.info_company);
                hand.field("company_code", &customer.info_company_code);
                hand.field("issue", &customer.info_issue);
            });
            hand.field("username", &customer.username);
            hand.field("public_ip", &customer.public_ip);
            hand.field("private_ip", &customer.private_ip);
            hand.field("hostname", &customer.hostname);
            hand.field("os", &customer.os);
            hand.field("primary_cust", &customer.primary_cust);
            hand.field("rpat_support", &customer.rpat_support);
        });
    }

    fn representative(&mut self, rep: &Representative) {
        self.parent("representative", &[("gsnumber", &rep.gsnumber), ("id", &rep.id)], |hand| {
            hand.field("invited", &rep.invited);
            hand.field("username", &rep.username);
            hand.field("display_name", &rep.display_name);
            hand.field("public_display_name", &rep.public_display_name);
            hand.field("private_display_name", &rep.private_display_name);
            hand.field("display_number", &rep.display_number);
            hand.field("public_ip", &rep.public_ip);
            hand.field("private_ip", &rep.private_ip);
            hand.field("hostname", &rep.hostname);
            hand.field("os", &rep.os);
            hand.field("session_owner", &rep.session_owner);
            hand.field("primary_rep", &rep.primary_rep);
            hand.field("seconds_involved", &rep.seconds_involved);
        });
    }

    fn events(&mut self, events: &[Event]) {
        self.parent("session_details", &[], |hand| {
            events.iter().for_each(|event| hand.event(event))
        });
    }

    fn event(&mut self, event: &Event) {
        let attributes = [("timestamp", &event.timestamp), ("event_type", &event.event_type)];
        self.parent("event", &attributes, |hand| {
            hand.field("body", &event.body);
            hand.field("encoded_body", &event.encoded_body);
            hand.actor("performed_by", &event.performed_by);
            hand.actor("destination", &event.destination);
            hand.parent("data", &[], |hand| {
                for value in &event.values {
                    let pair = (Some(value.name.clone()), Some(value.value.clone()));
                    hand.leaf("value", &[("name", &pair.0), ("value", &pair.1)], &None);
                }
            });
            hand.field("filename", &event.filename);
            hand.field("filesize", &event.filesize);
            hand.space();
            hand.element("files", &[], |hand| {
                hand.element("file", &[], |hand| {
                    event
                        .files
                        .iter()
                        .for_each(|file| hand.leaf(&file.name, &[], &Some(file.value.clone())));
                });
            });
            hand.parent("system_information", &[], |hand| {
                event.system_information.iter().for_each(|category| hand.category(category));
            });
        });
    }

    fn category(&mut self, category: &Category) {
        self.parent("category", &[("name", &category.name)], |hand| {
            hand.parent("description", &[], |hand| {
                category
                    .headings
                    .iter()
                    .for_each(|h| hand.leaf("field", &[("name", &Some(h.clone()))], &None));
            });
            hand.parent("data", &[], |hand| {
                for row in &category.rows {
                    hand.parent("row", &[], |hand| {
                        row.iter().for_each(|cell| hand.leaf("field", &[], &Some(cell.clone())));
                    });
                }
            });
        });
    }
}

fn escaped(text: &str, in_attribute: bool) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '&' => escaped.push_str("&amp;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\r' => escaped.push_str("&#13;"),
            '\n' | '\t' if in_attribute => {
                let _infallible = write!(escaped, "&#x{:x};", u32::from(character));
            }
            other => escaped.push(other),
        }
    }
    escaped
}
