//! Commands: what the API is, and whether the appliance is well.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;

use super::parameters::parameters_of;
use super::{denied, xml};
use crate::errors::{Message, error_document};
use crate::options::Product;
use crate::site::Site;
use crate::xml::Xml;

const API_VERSION: &str = "1.24.1";
const COMMAND_PERMISSION: &str = "perm_command";
const PERMISSIONS: [&str; 7] = [
    "perm_backup",
    "perm_reporting_license",
    "perm_reporting_support",
    "perm_reporting_jump_item",
    "perm_reporting_syslog",
    "perm_reporting_vault",
    "perm_configuration",
];
const SUPPORT_PERMISSIONS: [&str; 3] =
    ["perm_reporting_archive", "perm_reporting_presentation", "perm_real_time_state"];

pub(super) async fn answer(State(site): State<Arc<Site>>, request: Request) -> Response {
    let parameters = parameters_of(request).await.unwrap_or_default();
    let action = parameters.get("action").map_or("", String::as_str);
    let write: fn(&Site) -> String = match action {
        "get_api_info" => api_information,
        "check_health" => health,
        _ => {
            site.tally.request("command unknown");
            let text = site.text(Message::UnknownAction);
            return xml(error_document(site.options.command_namespace(), text));
        }
    };
    site.tally.request(&format!("command {action}"));
    if site.faults.is_denied(COMMAND_PERMISSION) {
        return denied(&site);
    }
    xml(write(&site))
}

fn api_information(site: &Site) -> String {
    let mut xml = Xml::document();
    xml.open("api_information", &[("xmlns", site.options.command_namespace())]);
    xml.leaf("api_version", &[], API_VERSION);
    xml.leaf("company_name", &[], "Example & Söhne");
    xml.leaf("timestamp", &[], &site.now().to_string());
    xml.open("permissions", &[]);
    xml.leaf("permission", &[("name", COMMAND_PERMISSION)], "full_access");
    let support = site.options.product == Product::RemoteSupport;
    let more = SUPPORT_PERMISSIONS.iter().filter(|_| support);
    for permission in PERMISSIONS.iter().chain(more) {
        let has = if site.faults.is_denied(permission) { "0" } else { "1" };
        xml.leaf("permission", &[("name", permission)], has);
    }
    xml.close("permissions");
    xml.close("api_information");
    xml.finish()
}

fn health(site: &Site) -> String {
    let mut xml = Xml::document();
    xml.open("health_check", &[("xmlns", site.options.command_namespace())]);
    xml.open("appliance", &[("id", &site.options.host)]);
    xml.leaf("version", &[], "24.1.1");
    xml.leaf("success", &[], "1");
    xml.leaf("failover_role", &[], "primary");
    xml.close("appliance");
    xml.close("health_check");
    xml.finish()
}
