use super::fault::Fault;
use super::pool::Pool;
use super::string;
use crate::store::misfit::{Limits, Takes};

const COLUMNS: &str = "SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE,
        COALESCE(CAST(CHARACTER_MAXIMUM_LENGTH AS nvarchar(20)), N'')
    FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = N'dbo'";

/// What the columns take, as they are just now.
pub(super) async fn limits(pool: &Pool) -> Result<Limits, Fault> {
    let mut connection = pool.take().await?;
    let rows = connection.query(COLUMNS, &[]).await?;
    pool.give_back(connection);
    let mut limits = Limits::new();
    for row in &rows {
        if let Some(takes) = takes(&string(row, 2)?, &string(row, 3)?) {
            let of = (string(row, 0)?.to_ascii_lowercase(), string(row, 1)?.to_ascii_lowercase());
            limits.insert(of, takes);
        }
    }
    Ok(limits)
}

/// What a type takes, if it takes less than a report may say. A length of -1 is none.
fn takes(of_type: &str, length: &str) -> Option<Takes> {
    match of_type {
        "nvarchar" | "nchar" | "varchar" | "char" => length.parse().ok().map(Takes::Text),
        "tinyint" => Some(Takes::Integer(u8::MAX.into())),
        "smallint" => Some(Takes::Integer(i16::MAX.into())),
        "int" => Some(Takes::Integer(i32::MAX.into())),
        "smalldatetime" => Some(Takes::Years(1900, 2078)),
        "datetime" => Some(Takes::Years(1753, 9999)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_without_an_end_are_no_limit() {
        let cases = [
            ("nvarchar", "255", Some(Takes::Text(255))),
            ("nvarchar", "-1", None),
            ("bigint", "", None),
            ("int", "", Some(Takes::Integer(2_147_483_647))),
            ("datetime2", "", None),
        ];
        for (of_type, length, expected) in cases {
            assert_eq!(takes(of_type, length), expected, "{of_type}({length})");
        }
    }
}
