//! The picture as a machine sees it; people have to look at it themselves.

use super::super::made_up;
use super::*;

fn picture() -> String {
    draw(&made_up::outcome(), &made_up::recording())
}

fn texts(picture: &str) -> Vec<String> {
    let document = roxmltree::Document::parse(picture).unwrap();
    let texts = document
        .descendants()
        .filter(|node| node.has_tag_name("text"));
    texts
        .filter_map(|node| node.text().map(|text| text.trim().to_owned()))
        .collect()
}

#[test]
fn it_is_well_formed_and_says_how_large_it_is() {
    let picture = picture();
    let document = roxmltree::Document::parse(&picture).unwrap();
    let root = document.root_element();
    assert!(root.has_tag_name(("http://www.w3.org/2000/svg", "svg")));
    assert_eq!(root.attribute("viewBox"), Some("0 0 1240 930"));
}

#[test]
fn no_coordinate_is_lost() {
    let picture = picture();
    assert!(
        !picture.contains("NaN") && !picture.contains("inf"),
        "{picture}"
    );
}

#[test]
fn axes_flows_and_moves_are_named() {
    let texts = texts(&picture());
    let has = |wanted: &str| {
        assert!(
            texts.iter().any(|text| text.contains(wanted)),
            "{wanted}: {texts:?}"
        )
    };
    for wanted in [
        "VM to VM",
        "uplink to VM",
        "VM to uplink",
        "packets per second",
        "time since the request, ms",
        "1 ms",
        "no promote",
        "promote --reconnect",
        "plain restart",
        "80 µs",
        "612 ms",
    ] {
        has(wanted);
    }
}

#[test]
fn every_blackout_has_its_dot() {
    let picture = picture();
    let document = roxmltree::Document::parse(&picture).unwrap();
    let dots = document
        .descendants()
        .filter(|node| node.has_tag_name("circle"))
        .count();
    let legend = 3;
    assert_eq!(dots, 3 * (5 + 5 + 1 + 1) + legend);
}

#[test]
fn the_median_promote_is_shown() {
    assert_eq!(
        median_promote(&made_up::recording().promotes).blackout_us(),
        80.0
    );
}

#[test]
fn a_run_without_any_packet_can_be_drawn() {
    let mut recording = made_up::recording();
    for flow in &mut recording.restart.trace.flows {
        flow.packets.fill(0);
    }
    for flow in &mut recording.promotes[0].flows {
        flow.blackout_us = 0.0;
    }
    let picture = draw(&made_up::outcome(), &recording);
    assert!(!picture.contains("NaN") && !picture.contains("inf"));
}
