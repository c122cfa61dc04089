use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use secrecy::{ExposeSecret, SecretString};

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;

/// What is derived from an account's secret: a key that seals its token, and a digest that tells the secret from
/// others. Without the secret neither can be made, and neither tells the secret.
pub(crate) struct Seal {
    key: RandomizedNonceKey,
    account: Vec<u8>,
    digest: String,
}

struct Bytes(usize);

impl KeyType for Bytes {
    fn len(&self) -> usize {
        self.0
    }
}

impl Seal {
    /// The seal of the account with this name, which holds its site and its client id.
    pub fn new(account: &str, secret: &SecretString) -> Self {
        let root =
            Salt::new(HKDF_SHA256, account.as_bytes()).extract(secret.expose_secret().as_bytes());
        let derived = |purpose: &'static [u8]| {
            let mut bytes = [0_u8; KEY_BYTES];
            root.expand(&[purpose], Bytes(KEY_BYTES))
                .and_then(|derived| derived.fill(&mut bytes))
                .expect("32 bytes are within what HKDF gives");
            bytes
        };
        let key = RandomizedNonceKey::new(&AES_256_GCM, &derived(b"sluice token seal 1"))
            .expect("AES-256 takes a key of 32 bytes");
        let digest = hex::encode(&derived(b"sluice refused secret 1")[..16]);
        Seal { key, account: account.as_bytes().to_vec(), digest }
    }

    /// Tells this secret from others.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The text, for those only who know the secret.
    pub fn seal(&self, text: &str) -> Option<String> {
        let mut bytes = text.as_bytes().to_vec();
        let nonce = self.key.seal_in_place_append_tag(Aad::from(&self.account), &mut bytes).ok()?;
        Some(hex::encode([nonce.as_ref().as_slice(), &bytes].concat()))
    }

    /// What was sealed under this secret and account; `None` of anything else.
    pub fn open(&self, sealed: &str) -> Option<SecretString> {
        let bytes = hex::decode(sealed).ok()?;
        let (nonce, rest) = bytes.split_at_checked(NONCE_BYTES)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut rest = rest.to_vec();
        let opened = self.key.open_in_place(nonce, Aad::from(&self.account), &mut rest).ok()?;
        Some(std::str::from_utf8(opened).ok()?.to_owned().into())
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(account: &str, secret: &str) -> Seal {
        Seal::new(account, &secret.into())
    }

    #[test]
    fn a_sealed_token_opens_under_its_own_secret_and_account_only() {
        let sealed = seal("a", "secret").seal("token").expect("it is sealed");
        assert!(!sealed.contains(&hex::encode("token")));
        let opened = seal("a", "secret").open(&sealed).expect("it is ours");
        assert_eq!(opened.expose_secret(), "token");
        let twice = seal("a", "secret").seal("token").expect("it is sealed");
        assert_ne!(sealed, twice, "each has a nonce of its own");
        for (account, secret) in [("b", "secret"), ("a", "other")] {
            assert!(seal(account, secret).open(&sealed).is_none(), "{account} {secret}");
        }
        let damaged = sealed.replace(&sealed[30..32], "00").replace(&sealed[40..42], "ff");
        for damaged in [damaged.as_str(), "", "zz", "0011"] {
            assert!(seal("a", "secret").open(damaged).is_none(), "{damaged}");
        }
    }

    #[test]
    fn a_digest_tells_secrets_apart_and_does_not_show_that_two_accounts_share_one() {
        assert_eq!(seal("a", "secret").digest(), seal("a", "secret").digest());
        assert_ne!(seal("a", "secret").digest(), seal("a", "other").digest());
        assert_ne!(seal("a", "secret").digest(), seal("b", "secret").digest());
    }
}
