//! Certificates, as people want to see them.

use std::fmt;

use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

use crate::calendar::{Moment, unix_now};

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Certificate {
    subject: String,
    issuer: String,
    /// Unix seconds.
    pub(crate) not_before: u64,
    /// Unix seconds.
    pub(crate) not_after: u64,
    /// Names and addresses that it is for.
    pub(crate) names: Vec<String>,
}

impl Certificate {
    /// Reads a certificate (DER); `None` if it is none.
    pub(crate) fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = parse_x509_certificate(der).ok()?;
        let names = certificate.subject_alternative_name().ok().flatten();
        let names = names.map(|names| names.value.general_names.iter().filter_map(name).collect());
        let unix = |time: i64| u64::try_from(time).unwrap_or(0);
        Some(Self {
            subject: shown(&certificate.subject().to_string()),
            issuer: shown(&certificate.issuer().to_string()),
            not_before: unix(certificate.validity().not_before.timestamp()),
            not_after: unix(certificate.validity().not_after.timestamp()),
            names: names.unwrap_or_default(),
        })
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, issuer, not_after, .. } = self;
        let until = Moment::of_unix(*not_after).rfc3339();
        write!(f, "{subject}, issued by {issuer}, good until {until}")
    }
}

/// Days until a moment; below zero when it has passed.
pub(crate) fn days_left(until: u64) -> i64 {
    let seconds = i64::try_from(until).unwrap_or(i64::MAX).saturating_sub_unsigned(unix_now());
    seconds.div_euclid(86_400)
}

fn shown(name: &str) -> String {
    if name.is_empty() { "(no name)".to_owned() } else { name.to_owned() }
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|b| std::net::Ipv4Addr::from(b).to_string()),
            16 => {
                <[u8; 16]>::try_from(*bytes).ok().map(|b| std::net::Ipv6Addr::from(b).to_string())
            }
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_certificate_says() {
        let names = vec!["site.test".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names.clone()).unwrap();
        let read = Certificate::read(made.cert.der()).unwrap();
        assert_eq!(read.names, names);
        assert!(days_left(read.not_after) > 365, "{read}");
        assert!(read.to_string().contains(", issued by CN="), "{read}");
        assert_eq!(Certificate::read(b"no certificate"), None);
        assert_eq!(days_left(unix_now() + 86_400 * 3 + 60), 3);
        assert_eq!(days_left(unix_now() - 60), -1);
    }
}
