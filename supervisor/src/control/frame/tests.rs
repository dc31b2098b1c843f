use super::*;
use crate::config::{Port, PortMode};
use crate::control::protocol::{Request, Response};
use proptest::prelude::*;

fn request() -> impl Strategy<Value = Request> {
    let port =
        ("[a-z0-9]{1,12}", "/[a-z/]{1,40}", any::<bool>()).prop_map(|(name, path, server)| {
            let mode = if server {
                PortMode::Server
            } else {
                PortMode::Client
            };
            Request::PortAdd {
                port: Port {
                    name,
                    socket: path.into(),
                    mode,
                },
            }
        });
    prop_oneof![
        Just(Request::Status),
        Just(Request::PortList),
        Just(Request::DeviceList),
        Just(Request::Reload),
        any::<bool>().prop_map(|reconnect| Request::Promote { reconnect }),
        any::<u32>().prop_map(|limit| Request::History { limit }),
        ".{0,40}".prop_map(|name| Request::PortDel { name }),
        ".{0,40}".prop_map(|port| Request::DeviceShow { port }),
        port,
    ]
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(request in request()) {
        let bytes = encode(&request, MAX_REQUEST).unwrap();
        prop_assert_eq!(length(&bytes, MAX_REQUEST), Ok(Some(bytes.len())));
        prop_assert_eq!(decode::<Request>(&bytes), Ok(request));
    }

    #[test]
    fn a_truncated_message_is_incomplete_or_an_error(request in request(), cut in any::<prop::sample::Index>()) {
        let bytes = encode(&request, MAX_REQUEST).unwrap();
        let part = &bytes[..cut.index(bytes.len())];
        prop_assert!(length(part, MAX_REQUEST).unwrap().is_none_or(|length| length > part.len()));
        prop_assert!(decode::<Request>(part).is_err());
    }

    #[test]
    fn any_bytes_give_a_value_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        if let Ok(Some(length)) = length(&bytes, MAX_REQUEST) {
            prop_assert!(length <= PREFIX + MAX_REQUEST);
        }
        let _ = decode::<Request>(&bytes);
        let _ = decode::<Response>(&bytes);
    }

    #[test]
    fn any_json_body_gives_a_value_or_an_error(body in "[\\[\\]{}\":,a-z0-9 -]{0,200}") {
        let json = format!("{{\"schema\":{SCHEMA},\"body\":{body}}}");
        let bytes = [&[0; PREFIX][..], json.as_bytes()].concat();
        let _ = decode::<Request>(&bytes);
        let _ = decode::<Response>(&bytes);
    }
}

#[test]
fn lengths_beyond_the_limit_are_refused_both_ways() {
    let limit = MAX_REQUEST;
    let claimed = u32::MAX.to_be_bytes();
    let length = u32::MAX as usize;
    assert_eq!(
        super::length(&claimed, limit),
        Err(FrameError::TooLong { length, limit })
    );
    let name = "x".repeat(limit);
    let error = encode(&Request::PortDel { name }, limit).unwrap_err();
    assert!(matches!(error, FrameError::TooLong { .. }), "{error}");
}

#[test]
fn another_schema_is_named_before_the_body_is_read() {
    let json = br#"{"schema":2,"body":{"what":"nobody knows yet"}}"#;
    let bytes = [&[0; PREFIX][..], json].concat();
    let error = decode::<Request>(&bytes).unwrap_err();
    assert_eq!(error, FrameError::Schema { theirs: 2 });
    assert!(error.to_string().contains("same version"), "{error}");
}

#[test]
fn deep_nesting_is_an_error_and_no_overflow() {
    let body = "[".repeat(MAX_REQUEST - 64);
    let json = format!("{{\"schema\":{SCHEMA},\"body\":{body}");
    let bytes = [&[0; PREFIX][..], json.as_bytes()].concat();
    assert!(matches!(
        decode::<Request>(&bytes),
        Err(FrameError::Body(_))
    ));
}
