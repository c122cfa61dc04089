use messages::escape;
use settings::Site;

/// The account's key in both buckets. Another client id is another account, with limits of its own.
pub(crate) fn key(site: &Site) -> String {
    format!("{}.{}", escape(site.host.as_str()), escape(&site.client_id))
}
