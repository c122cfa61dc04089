use super::*;

#[test]
fn a_destination_id_is_32_hex_digits() {
    let id = DestinationId::from_random([0xab; 16]);
    assert_eq!(id.as_str().parse(), Ok(id.clone()));
    assert!("ABAB".parse::<DestinationId>().is_err());
}
