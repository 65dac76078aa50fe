//! A real browser loads a page with many sub-resources through the tunnel.

use std::collections::BTreeSet;

use sc_tests::chromium;
use sc_tests::deployment::Tunnel;
use sc_tests::site::Site;

const RESOURCES: usize = 100;

#[test]
#[cfg_attr(missing_chromium, ignore = "skipped: chromium is not installed")]
fn a_page_and_its_hundred_resources_arrive() {
    let (tunnel, site) = (Tunnel::start(), Site::start());
    let page = chromium::dump_dom(tunnel.proxy, &site.url(&format!("/page/{RESOURCES}")));
    let expected = format!("arrived: {RESOURCES} of {RESOURCES}");
    assert!(page.contains(&expected), "{page}");
    let served = site.received("/resource/");
    let paths: BTreeSet<_> = served.iter().map(|one| one.head.target()).collect();
    assert_eq!((served.len(), paths.len()), (RESOURCES, RESOURCES), "each once");
}

#[test]
#[cfg_attr(missing_chromium, ignore = "skipped: chromium is not installed")]
fn a_second_browser_is_answered_from_the_cache() {
    let (tunnel, site) = (Tunnel::start(), Site::start());
    for _ in 0..2 {
        let page = chromium::dump_dom(tunnel.proxy, &site.url("/kept-page"));
        assert!(page.contains("script has run"), "{page}");
    }
    for path in ["/kept-page", "/kept-script"] {
        assert_eq!(site.received(path).len(), 1, "{path}");
    }
}
