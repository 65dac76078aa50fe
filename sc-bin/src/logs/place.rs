//! Version 4's usual files in the folder for temporary ones.

use std::path::PathBuf;

/// `BASE-NAME.SUFFIX` there, or `BASE.SUFFIX` for a tunnel without a name. What cannot stand in a
/// file's name becomes an underscore.
pub(crate) fn usual_path(base: &str, tunnel: Option<&str>, suffix: &str) -> PathBuf {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.@+,=".contains(c);
    let file = match tunnel {
        None => format!("{base}.{suffix}"),
        Some(name) => {
            let name: String = name.chars().map(|c| if fits(c) { c } else { '_' }).collect();
            format!("{base}-{}.{suffix}", name.get(..100).unwrap_or(&name))
        }
    };
    std::env::temp_dir().join(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_the_folder() {
        let name = |tunnel| {
            let path = usual_path("sc", tunnel, "log");
            assert_eq!(path.parent(), Some(std::env::temp_dir().as_path()));
            path.file_name().unwrap().to_string_lossy().into_owned()
        };
        assert_eq!(name(None), "sc.log");
        assert_eq!(name(Some("ci 42")), "sc-ci_42.log");
        assert_eq!(name(Some("../../etc/x")), "sc-.._.._etc_x.log");
        assert!(name(Some(&"n".repeat(300))).len() < 120);
    }
}
