//! Who somebody is and what that allows: roles, teams, organisations, sub-accounts. Nothing here
//! asks anybody; the registry knows the accounts, REST and the commands act on what is said here.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The organisation of users for whom none was named.
pub(crate) const DEFAULT_ORGANISATION: &str = "default";

/// What a user is in its organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Role {
    /// Uses and ends all tunnels of the organisation, manages its users and teams; shares with all
    /// of it.
    OrgAdmin,
    /// Ends its team's tunnels; shares with its teams.
    TeamAdmin,
    /// Has tunnels of its own; shares with its teams.
    Member,
    /// Uses what is shared with it. Starts and ends nothing.
    Service,
}

/// A text is no role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no role: write org-admin, team-admin, member or service")]
pub(crate) struct InvalidRole(String);

/// A user, without its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    /// The name.
    pub(crate) name: String,
    /// What it belongs to. Who belongs to another one does not exist for it.
    pub(crate) organisation: String,
    /// What it is there.
    pub(crate) role: Role,
    /// The ids of its teams.
    pub(crate) teams: BTreeSet<String>,
    /// Whose sub-account it is.
    pub(crate) parent: Option<String>,
    /// Most tunnels it may have at once.
    pub(crate) tunnel_limit: Option<u32>,
    /// When it was added, in Unix seconds.
    pub(crate) created: u64,
    /// When its key was last used, in Unix seconds, to the minute.
    pub(crate) last_used: Option<u64>,
    /// When its key was made, in Unix seconds.
    pub(crate) key_created: u64,
}

/// Whether others may use a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// As far as the owner's role allows.
    Shared,
    /// Only its owner, and who is responsible for the owner.
    Private,
}

impl Role {
    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OrgAdmin => "org-admin",
            Self::TeamAdmin => "team-admin",
            Self::Member => "member",
            Self::Service => "service",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = InvalidRole;
    fn from_str(text: &str) -> Result<Self, InvalidRole> {
        let all = [Self::OrgAdmin, Self::TeamAdmin, Self::Member, Self::Service];
        let found = all.into_iter().find(|role| role.name() == text);
        found.ok_or_else(|| InvalidRole(text.to_owned()))
    }
}

impl Account {
    /// Whether it may start tunnels for `owner`: itself, or whom it is responsible for.
    pub(crate) fn may_start_for(&self, owner: &Self) -> bool {
        let is_responsible = self.name == owner.name
            || self.is_parent_of(owner)
            || (self.role == Role::OrgAdmin && self.organisation == owner.organisation);
        is_responsible && self.role != Role::Service && owner.role != Role::Service
    }

    /// Whether it may end tunnels of `owner`, and see all of them.
    pub(crate) fn may_stop_of(&self, owner: &Self) -> bool {
        if self.role == Role::Service || self.organisation != owner.organisation {
            return false;
        }
        match self.role {
            _ if self.name == owner.name || self.is_parent_of(owner) => true,
            Role::OrgAdmin => true,
            Role::TeamAdmin => owner.role != Role::OrgAdmin && self.has_team_of(owner),
            Role::Member | Role::Service => false,
        }
    }

    /// Whether it may see and use a tunnel of `owner`.
    pub(crate) fn may_use_of(&self, owner: &Self, sharing: Sharing) -> bool {
        self.may_stop_of(owner) || (sharing == Sharing::Shared && owner.shares_with(self))
    }

    /// Whether what it shares is shared with `other`.
    pub(crate) fn shares_with(&self, other: &Self) -> bool {
        self.organisation == other.organisation
            && (self.role == Role::OrgAdmin || self.has_team_of(other) || self.is_parent_of(other))
    }

    /// Whether it shares with anybody by its role and teams, its sub-accounts left aside.
    pub(crate) fn has_whom_to_share_with(&self) -> bool {
        self.role == Role::OrgAdmin || !self.teams.is_empty()
    }

    /// Whether it knows that `other` exists.
    pub(crate) fn knows(&self, other: &Self) -> bool {
        self.name == other.name || self.may_stop_of(other) || other.shares_with(self)
    }

    /// Whether it may add, change and remove the users of its organisation.
    pub(crate) fn manages_users(&self) -> bool {
        self.role == Role::OrgAdmin
    }

    fn has_team_of(&self, other: &Self) -> bool {
        self.teams.iter().any(|team| other.teams.contains(team))
    }

    fn is_parent_of(&self, other: &Self) -> bool {
        self.organisation == other.organisation && other.parent.as_ref() == Some(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str, role: Role, team: &str) -> Account {
        Account {
            name: name.to_owned(),
            organisation: DEFAULT_ORGANISATION.to_owned(),
            role,
            teams: team.split_whitespace().map(str::to_owned).collect(),
            parent: None,
            tunnel_limit: None,
            created: 0,
            last_used: None,
            key_created: 0,
        }
    }

    /// Every row of the table of rights: who may use what of whom, shared and not, and end it.
    #[test]
    fn the_table_of_rights() {
        let admin = account("admin", Role::OrgAdmin, "");
        let lead = account("lead", Role::TeamAdmin, "t1");
        let ann = account("ann", Role::Member, "t1");
        let bob = account("bob", Role::Member, "t1");
        let other = account("other", Role::Member, "t2");
        let robot = account("robot", Role::Service, "t1");
        // Caller, owner: uses a private one, uses a shared one, ends it.
        let table = [
            (&admin, &admin, (true, true, true)),
            (&admin, &lead, (true, true, true)),
            (&admin, &ann, (true, true, true)),
            (&admin, &other, (true, true, true)),
            (&lead, &lead, (true, true, true)),
            (&lead, &admin, (false, true, false)),
            (&lead, &ann, (true, true, true)),
            (&lead, &other, (false, false, false)),
            (&ann, &ann, (true, true, true)),
            (&ann, &admin, (false, true, false)),
            (&ann, &lead, (false, true, false)),
            (&ann, &bob, (false, true, false)),
            (&ann, &other, (false, false, false)),
            (&robot, &admin, (false, true, false)),
            (&robot, &lead, (false, true, false)),
            (&robot, &ann, (false, true, false)),
            (&robot, &other, (false, false, false)),
        ];
        for (caller, owner, (private, shared, stop)) in table {
            let case = format!("{} on {}", caller.name, owner.name);
            assert_eq!(caller.may_use_of(owner, Sharing::Private), private, "{case}");
            assert_eq!(caller.may_use_of(owner, Sharing::Shared), shared, "{case}");
            assert_eq!(caller.may_stop_of(owner), stop, "{case}");
        }
        for (caller, owner, may) in [
            (&admin, &admin, true),
            (&lead, &lead, true),
            (&ann, &ann, true),
            (&robot, &robot, false),
            (&admin, &ann, true),
            (&admin, &robot, false),
            (&lead, &ann, false),
            (&ann, &bob, false),
        ] {
            assert_eq!(caller.may_start_for(owner), may, "{} for {}", caller.name, owner.name);
        }
    }

    #[test]
    fn another_organisation_is_another_world() {
        let admin = account("admin", Role::OrgAdmin, "t1");
        let mut far = account("far", Role::Member, "t1");
        far.organisation = "far".to_owned();
        far.parent = Some("admin".to_owned());
        assert!(!admin.knows(&far) && !far.knows(&admin));
        assert!(!admin.may_use_of(&far, Sharing::Shared) && !admin.may_start_for(&far));
        assert!(!far.may_use_of(&admin, Sharing::Shared));
    }

    #[test]
    fn a_sub_account_uses_what_its_parent_shares_and_the_parent_answers_for_it() {
        let parent = account("parent", Role::Member, "");
        let mut child = account("child", Role::Member, "");
        child.parent = Some("parent".to_owned());
        assert!(child.may_use_of(&parent, Sharing::Shared));
        assert!(!child.may_use_of(&parent, Sharing::Private));
        assert!(!child.may_stop_of(&parent) && !child.may_start_for(&parent));
        assert!(parent.may_stop_of(&child) && parent.may_start_for(&child));
        assert!(parent.may_use_of(&child, Sharing::Private));
    }

    #[test]
    fn roles_have_names() {
        for role in [Role::OrgAdmin, Role::TeamAdmin, Role::Member, Role::Service] {
            assert_eq!(role.name().parse(), Ok(role));
        }
        assert!("admin".parse::<Role>().is_err());
    }
}
