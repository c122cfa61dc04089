//! Who and what took part in a session.

use crate::chance::Dice;
use crate::names::{COMPANIES, GROUPS, HOSTS, PEOPLE, SENTENCES, SYSTEMS, TEAMS};
use crate::options::Product;

const CAST: u64 = 20;

/// Whoever can perform an event, or be its destination.
#[derive(Debug, Clone)]
pub(crate) struct Actor {
    pub(crate) kind: &'static str,
    pub(crate) gsnumber: u64,
    pub(crate) name: String,
}

impl Actor {
    pub(crate) fn system(name: &str) -> Self {
        Self { kind: "system", gsnumber: 0, name: name.to_owned() }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Customer {
    pub(crate) gsnumber: u64,
    pub(crate) name: String,
    pub(crate) public_ip: String,
    pub(crate) private_ip: String,
    pub(crate) host_name: String,
    pub(crate) system: String,
    pub(crate) company: String,
    pub(crate) issue: String,
    pub(crate) details: String,
}

impl Customer {
    pub(crate) fn actor(&self) -> Actor {
        Actor { kind: "customer", gsnumber: self.gsnumber, name: self.name.clone() }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Representative {
    pub(crate) gsnumber: u64,
    pub(crate) id: u64,
    pub(crate) user_name: String,
    pub(crate) private_name: String,
    pub(crate) public_name: String,
    pub(crate) public_ip: String,
    pub(crate) private_ip: String,
    /// A user of the web console has none.
    pub(crate) host_name: Option<String>,
    pub(crate) system: String,
    pub(crate) owner: bool,
    pub(crate) primary: bool,
    pub(crate) invited: bool,
    /// Of the session's length, in percent.
    pub(crate) share: u64,
}

impl Representative {
    pub(crate) fn actor(&self) -> Actor {
        Actor { kind: "representative", gsnumber: self.gsnumber, name: self.private_name.clone() }
    }
}

/// A thing with an id that text or nothing names.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) id: i64,
    pub(crate) name: String,
}

#[derive(Debug, Clone)]
pub(crate) struct JumpGroup {
    pub(crate) shared: bool,
    pub(crate) named: Named,
}

/// Everybody and everything in one session.
#[derive(Debug, Clone)]
pub(crate) struct Cast {
    pub(crate) customer: Customer,
    /// Never empty; one of them is primary.
    pub(crate) representatives: Vec<Representative>,
    /// Remote Support only; the first is primary.
    pub(crate) teams: Vec<Named>,
    pub(crate) public_site: Option<Named>,
    pub(crate) jumpoint: Option<Named>,
    pub(crate) jump_group: Option<JumpGroup>,
}

impl Cast {
    pub(crate) fn of(site_key: u64, session: u64, product: Product) -> Self {
        let mut dice = Dice::of(&[site_key, CAST, session]);
        let mut gsnumbers: Vec<u64> = (1..=60).collect();
        dice.shuffle(&mut gsnumbers);
        let representatives = representatives(&mut dice, &gsnumbers[1..]);
        let support = product == Product::RemoteSupport;
        Self {
            customer: customer(&mut dice, gsnumbers[0], support),
            teams: if support { teams(&mut dice) } else { Vec::new() },
            public_site: support.then(|| public_site(&mut dice)),
            jumpoint: dice.happens(0.6).then(|| jumpoint(&mut dice)),
            jump_group: dice.happens(0.7).then(|| jump_group(&mut dice, &representatives[0])),
            representatives,
        }
    }

    pub(crate) fn primary(&self) -> &Representative {
        self.representatives.iter().find(|one| one.primary).unwrap_or(&self.representatives[0])
    }
}

pub(crate) fn public_address(dice: &mut Dice) -> String {
    let port = dice.between(1024, 65_535);
    match dice.below(10) {
        0 => "Unknown".to_owned(),
        1..=3 => format!("[2001:db8::{:x}]:{port}", dice.between(1, 0xffff)),
        _ => format!("192.0.2.{}:{port}", dice.between(1, 254)),
    }
}

pub(crate) fn private_address(dice: &mut Dice) -> String {
    match dice.below(6) {
        0 => "Unknown".to_owned(),
        1 => format!("fe80::{:x}", dice.between(1, 0xffff)),
        _ => format!("10.0.{}.{}", dice.below(255), dice.between(1, 254)),
    }
}

fn customer(dice: &mut Dice, gsnumber: u64, support: bool) -> Customer {
    let host_name = dice.pick(&HOSTS).to_owned();
    let name = if support { dice.pick(&PEOPLE).to_owned() } else { host_name.to_lowercase() };
    Customer {
        gsnumber,
        name,
        public_ip: public_address(dice),
        private_ip: private_address(dice),
        host_name,
        system: dice.pick(&SYSTEMS).to_owned(),
        company: dice.pick(&COMPANIES).to_owned(),
        issue: if dice.happens(0.5) { dice.between(1, 9).to_string() } else { String::new() },
        details: if dice.happens(0.5) { dice.pick(&SENTENCES).to_owned() } else { String::new() },
    }
}

fn representatives(dice: &mut Dice, gsnumbers: &[u64]) -> Vec<Representative> {
    let count = match dice.below(10) {
        0..=5 => 1,
        6..=8 => 2,
        _ => dice.between(3, 6),
    } as usize;
    let last = count - 1;
    (0..count)
        .map(|place| {
            let id = dice.between(1, PEOPLE.len() as u64);
            let name = PEOPLE[id as usize - 1];
            Representative {
                gsnumber: gsnumbers[place],
                id,
                user_name: format!("user{id}"),
                private_name: name.to_owned(),
                public_name: name.split(' ').next().unwrap_or(name).to_owned(),
                public_ip: public_address(dice),
                private_ip: private_address(dice),
                host_name: dice.happens(0.8).then(|| dice.pick(&HOSTS).to_owned()),
                system: dice.pick(&SYSTEMS).to_owned(),
                owner: place == 0 || dice.happens(0.5),
                primary: place == last,
                invited: place > 0 && dice.happens(0.2),
                share: if place == last { 100 } else { dice.between(1, 99) },
            }
        })
        .collect()
}

fn teams(dice: &mut Dice) -> Vec<Named> {
    let first = dice.below(TEAMS.len() as u64);
    let count = dice.below(3);
    (first..first + count)
        .map(|place| place % TEAMS.len() as u64)
        .map(|place| Named { id: place as i64 + 1, name: TEAMS[place as usize].to_owned() })
        .collect()
}

fn public_site(dice: &mut Dice) -> Named {
    if dice.happens(0.8) {
        Named { id: 1, name: "Default".to_owned() }
    } else {
        Named { id: 2, name: "Kunden & Partner".to_owned() }
    }
}

fn jumpoint(dice: &mut Dice) -> Named {
    if dice.happens(0.4) {
        Named { id: -1, name: String::new() }
    } else {
        Named { id: dice.between(1, 9) as i64, name: dice.pick(&HOSTS).to_owned() }
    }
}

fn jump_group(dice: &mut Dice, owner: &Representative) -> JumpGroup {
    match dice.below(10) {
        0..=5 => {
            let place = dice.below(GROUPS.len() as u64) as usize;
            JumpGroup {
                shared: true,
                named: Named { id: place as i64 + 1, name: GROUPS[place].to_owned() },
            }
        }
        6..=8 => JumpGroup {
            shared: false,
            named: Named { id: owner.id as i64, name: owner.private_name.clone() },
        },
        _ => JumpGroup { shared: true, named: Named { id: -1, name: String::new() } },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_representative_of_a_session_is_primary_and_one_owns_it() {
        for session in 0..200 {
            let cast = Cast::of(5, session, Product::RemoteSupport);
            assert_eq!(cast.representatives.iter().filter(|one| one.primary).count(), 1);
            assert!(cast.representatives.iter().any(|one| one.owner));
        }
    }

    #[test]
    fn gsnumbers_are_unique_within_a_session_and_recycled_between_sessions() {
        let mut seen = std::collections::HashSet::new();
        let mut recycled = false;
        for session in 0..50 {
            let cast = Cast::of(5, session, Product::PrivilegedRemoteAccess);
            let mut own: Vec<u64> = cast.representatives.iter().map(|one| one.gsnumber).collect();
            own.push(cast.customer.gsnumber);
            let count = own.len();
            own.sort_unstable();
            own.dedup();
            assert_eq!(own.len(), count);
            recycled |= own.into_iter().any(|gsnumber| !seen.insert(gsnumber));
        }
        assert!(recycled);
    }

    #[test]
    fn every_odd_value_occurs() {
        let casts: Vec<Cast> =
            (0..300).map(|session| Cast::of(5, session, Product::RemoteSupport)).collect();
        let any = |test: fn(&Cast) -> bool| casts.iter().any(test);
        assert!(any(|cast| cast.customer.public_ip.starts_with('[')));
        assert!(any(|cast| cast.customer.public_ip.starts_with("192.")));
        assert!(any(|cast| cast.customer.private_ip == "Unknown"));
        assert!(any(|cast| cast.jumpoint.as_ref().is_some_and(|jumpoint| jumpoint.id == -1)));
        assert!(any(|cast| cast.jump_group.as_ref().is_some_and(|group| !group.shared)));
        assert!(any(|cast| cast.representatives.len() > 2));
        assert!(any(|cast| cast.representatives.iter().any(|one| one.host_name.is_none())));
    }
}
