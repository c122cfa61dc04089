use std::collections::BTreeMap;

use chrono::DateTime;
use domain::ApplianceTime;

use crate::answer::said;
use crate::request::{Ask, Body, LIMITS_QUICK, error_of};
use crate::tags::tags;
use crate::{ApplianceError, Client};

/// The answer is a few kilobytes.
const INFO_BYTES_MAX: usize = 1 << 20;

/// What the command API says about itself and the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiInfo {
    /// The API's version, such as `1.24.1`; absent where it is not told.
    pub version: Option<String>,
    /// The appliance's clock.
    pub clock: ApplianceTime,
    /// The account's permissions by their names in the API: `1`, `0`, or a word such as `read_only`.
    pub permissions: BTreeMap<String, String>,
}

impl ApiInfo {
    /// Whether the account has a permission; `None` where it is not told.
    pub fn allows(&self, permission: &str) -> Option<bool> {
        let value = self.permissions.get(permission)?;
        Some(!matches!(value.as_str(), "" | "0" | "false" | "deny"))
    }
}

impl Client {
    /// What the command API says about itself and the account.
    ///
    /// # Errors
    /// When the appliance does not tell; an account without `perm_command` may not ask.
    pub async fn get_api_info(&self) -> Result<ApiInfo, ApplianceError> {
        let asked = format!("the API's information of {}", self.site());
        let ask = Ask {
            asked: asked.clone(),
            path: "api/command",
            body: Body::Form(vec![("action", "get_api_info".to_owned())]),
            permission: "perm_command",
            limits: LIMITS_QUICK,
        };
        let opened = self.open(ask).await?;
        let date = opened.clock;
        let body = opened.whole(INFO_BYTES_MAX).await?;
        if let Some(said) = said(&body) {
            return Err(error_of(asked, "perm_command", said));
        }
        read(asked, &String::from_utf8_lossy(&body), date)
    }
}

fn read(asked: String, xml: &str, date: Option<ApplianceTime>) -> Result<ApiInfo, ApplianceError> {
    if !tags(xml).any(|tag| tag.name == "api_information") {
        let what = "it has no <api_information>".to_owned();
        return Err(ApplianceError::Malformed { asked, what });
    }
    let text = |name: &str| {
        tags(xml).find(|tag| tag.name == name).map(|tag| tag.text()).filter(|text| !text.is_empty())
    };
    let told = text("timestamp")
        .and_then(|secs| secs.parse().ok())
        .and_then(|secs| DateTime::from_timestamp(secs, 0))
        .map(ApplianceTime::read_off);
    let permissions = tags(xml)
        .filter(|tag| tag.name == "permission")
        .filter_map(|tag| Some((tag.attribute("name")?, tag.text())))
        .collect();
    Ok(ApiInfo {
        version: text("api_version"),
        clock: told.or(date).ok_or(ApplianceError::NoClock { asked })?,
        permissions,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const XML: &str = "<?xml version=\"1.0\"?>
        <api_information xmlns=\"http://www.bomgar.com/namespaces/API/command\">
          <api_version>1.19.0</api_version><company_name>A &amp; B</company_name>
          <timestamp>1733239565</timestamp>
          <permissions><permission name=\"perm_backup\">0</permission>
          <permission name=\"perm_command\">read_only</permission></permissions></api_information>";

    #[test]
    fn the_information_tells_version_clock_and_permissions() {
        let info = read("it".to_owned(), XML, None).expect("it is well");
        assert_eq!(info.version.as_deref(), Some("1.19.0"));
        assert_eq!(info.clock.unix_secs(), 1_733_239_565);
        assert_eq!(info.allows("perm_backup"), Some(false));
        assert_eq!(info.allows("perm_command"), Some(true));
        assert_eq!(info.allows("perm_unheard_of"), None);
    }

    #[test]
    fn without_a_timestamp_the_date_header_counts() {
        let xml = XML.replace("timestamp", "other");
        let date = ApplianceTime::read_off(DateTime::UNIX_EPOCH);
        assert_eq!(read("it".to_owned(), &xml, Some(date)).expect("it is well").clock, date);
        let error = read("it".to_owned(), &xml, None).expect_err("no clock is told");
        assert!(matches!(error, ApplianceError::NoClock { .. }));
    }
}
