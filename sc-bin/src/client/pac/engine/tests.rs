use super::*;

fn load(body: &str) -> Engine {
    Engine::load(&format!("function FindProxyForURL(url, host) {{ {body} }}"), None).unwrap()
}

/// What an expression comes to, as a text.
fn value(expression: &str) -> String {
    load(&format!("return String({expression});")).ask("http://h/", "h").unwrap()
}

#[test]
fn a_script_is_asked_with_url_and_host() {
    let engine = load("return host == 'a.test' ? 'PROXY p:1; DIRECT' : url;");
    assert_eq!(engine.ask("http://a.test/", "a.test").unwrap(), "PROXY p:1; DIRECT");
    assert_eq!(engine.ask("https://b.test/", "b.test").unwrap(), "https://b.test/");
    let ex = Engine::load("function FindProxyForURLEx(u, h) { return h; }", None).unwrap();
    assert_eq!(ex.ask("", "x").unwrap(), "x");
}

#[test]
fn a_script_that_cannot_be_one_is_told() {
    assert!(matches!(Engine::load("function (", None), Err(ScriptError::Threw(_))));
    assert!(matches!(Engine::load("<html></html>", None), Err(ScriptError::Threw(_))));
    assert!(matches!(Engine::load("", None), Err(ScriptError::NoFunction)));
    assert!(matches!(Engine::load("FindProxyForURL = 1", None), Err(ScriptError::NoFunction)));
    let both = "function FindProxyForURL() {} function FindProxyForURLEx() {}";
    assert!(matches!(Engine::load(both, None), Err(ScriptError::TwoFunctions)));
    assert!(matches!(Engine::load("throw new Error('x')", None), Err(ScriptError::Threw(_))));
    assert!(matches!(Engine::load("while (true) {}", None), Err(ScriptError::TooLong)));
}

#[test]
fn time_and_memory_have_limits_and_the_engine_lives_on() {
    let engine = load(
        "if (host == 'slow') for (;;) {} if (host == 'big') { var a = []; \
                       for (;;) a.push('x'.repeat(1 << 20) + a.length); } \
                       if (host == 'deep') { (function f() { f(); })(); } return 'DIRECT';",
    );
    assert_eq!(engine.ask("", "slow"), Err(ScriptError::TooLong));
    assert!(engine.ask("", "big").is_err());
    assert!(matches!(engine.ask("", "deep"), Err(ScriptError::Threw(_))));
    assert_eq!(engine.ask("", "good").unwrap(), "DIRECT");
}

#[test]
fn what_is_no_text_is_told() {
    for (body, what) in [
        ("return null", "null"),
        ("", "undefined"),
        ("return 1", "a number"),
        ("return 1.5", "a number"),
        ("return {}", "an object"),
        ("return true", "a boolean"),
    ] {
        assert_eq!(load(body).ask("", ""), Err(ScriptError::NoText(what)), "{body}");
    }
    let text = load("nothing.at.all()").ask("", "").unwrap_err().to_string();
    assert!(text.contains("nothing"), "{text}");
}

#[test]
fn hosts_and_domains() {
    for (expression, expected) in [
        ("isPlainHostName('www')", "true"),
        ("isPlainHostName('www.a.test')", "false"),
        ("dnsDomainIs('www.A.test', '.a.test')", "true"),
        ("dnsDomainIs('www.b.test', '.a.test')", "false"),
        ("localHostOrDomainIs('www', 'www.a.test')", "true"),
        ("localHostOrDomainIs('www.a.test', 'www.a.test')", "true"),
        ("localHostOrDomainIs('home.a.test', 'www.a.test')", "false"),
        ("dnsDomainLevels('www')", "0"),
        ("dnsDomainLevels('www.a.test')", "2"),
        ("shExpMatch('http://a.test/b/c', '*/b/*')", "true"),
        ("shExpMatch('a.test', '?.test')", "true"),
        ("shExpMatch('atest', 'a.test')", "false"),
        ("shExpMatch('a.test', '*.TEST')", "false"),
        ("shExpMatch('a(b', 'a(b')", "true"),
        ("getClientVersion()", "1.0"),
        ("typeof __resolve + typeof require + typeof setTimeout", "undefinedundefinedundefined"),
    ] {
        assert_eq!(value(expression), expected, "{expression}");
    }
}

#[test]
fn addresses_and_networks() {
    for (expression, expected) in [
        ("isInNet('10.1.2.3', '10.0.0.0', '255.0.0.0')", "true"),
        ("isInNet('11.1.2.3', '10.0.0.0', '255.0.0.0')", "false"),
        ("isInNet('localhost', '127.0.0.1', '255.255.255.255')", "true"),
        ("isInNet('no-such-name.invalid', '0.0.0.0', '0.0.0.0')", "false"),
        ("convert_addr('1.2.3.4')", "16909060"),
        ("dnsResolve('127.0.0.1')", "127.0.0.1"),
        ("dnsResolve('no-such-name.invalid')", "null"),
        ("isResolvable('localhost')", "true"),
        ("isResolvableEx('no-such-name.invalid')", "false"),
        ("dnsResolveEx('::1')", "::1"),
        ("isInNetEx('10.1.2.3', '10.0.0.0/8')", "true"),
        ("isInNetEx('10.1.2.3', 'fe80::/10')", "false"),
        ("isInNetEx('fe80::1', 'fe80::/10')", "true"),
        ("isInNetEx('fec0::1', 'fe80::/10')", "false"),
        ("isInNetEx('::ffff:1.2.3.4', '::ffff:1.2.0.0/112')", "true"),
        ("isInNetEx('10.1.2.3', 'x/8')", "false"),
        ("sortIpAddressList('10.0.0.2;::1;10.0.0.1;fe80::1')", "::1;fe80::1;10.0.0.1;10.0.0.2"),
        ("sortIpAddressList('x;::1')", ""),
        ("/^[0-9.]+$/.test(myIpAddress())", "true"),
        ("typeof myIpAddressEx()", "string"),
    ] {
        assert_eq!(value(expression), expected, "{expression}");
    }
}

#[test]
fn times_and_dates() {
    // Every range that spans its whole scale holds now; one that ended long ago does not.
    for (expression, expected) in [
        ("weekdayRange('SUN', 'SAT')", "true"),
        ("weekdayRange('MON', 'SUN', 'GMT')", "true"),
        ("weekdayRange('XXX')", "false"),
        ("timeRange(0, 0, 0, 23, 59, 59)", "true"),
        ("timeRange(0, 24)", "true"),
        ("timeRange(0, 0, 23, 59, 'GMT')", "true"),
        (
            "timeRange(new Date().getUTCHours(), 'GMT') || timeRange(new Date().getUTCHours(), 'GMT')",
            "true",
        ),
        ("timeRange()", "false"),
        ("dateRange(1, 31)", "true"),
        ("dateRange('JAN', 'DEC')", "true"),
        ("dateRange(1995, 1996)", "false"),
        ("dateRange(1995, 9999, 'GMT')", "true"),
        ("dateRange(1, 'JAN', 31, 'DEC')", "true"),
        ("dateRange('JAN', 1995, 'DEC', 9999)", "true"),
        ("dateRange(1, 'JAN', 1995, 31, 'DEC', 1999)", "false"),
        ("dateRange(1, 'JAN', 1995, 31, 'DEC', 9999)", "true"),
        ("dateRange('XXX')", "false"),
    ] {
        assert_eq!(value(expression), expected, "{expression}");
    }
}
