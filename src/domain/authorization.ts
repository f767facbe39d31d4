// Who may do what: one table of action × role, asked by the facade and printed in the docs. The roles viewer to owner are
// bound to one organization, and each may do what the one before may. A platform admin is a role of its own, over all
// organizations: it keeps backups running and restores them, but does not carry a tenant's data away (download) and does
// not lower what protects it (policies are the organization's own).

export const roles = ["viewer", "operator", "admin", "owner", "platform"] as const;
export type Role = (typeof roles)[number];

export const isRole = (value: unknown): value is Role => (roles as readonly unknown[]).includes(value);

interface Rule {
  /** The lowest organization role that may. */
  readonly from: Exclude<Role, "platform">;
  readonly platform: boolean;
  readonly meaning: string;
}

const rule = (from: Rule["from"], platform: boolean, meaning: string): Rule => ({ from, platform, meaning });

export const actionTable = {
  "session.open": rule("viewer", true, "exchange a token for a browser session, and end it"),
  "organization.read": rule("viewer", true, "see how the organization is protected"),
  "policy.read": rule("viewer", true, "see policies and when they run"),
  "policy.write": rule("admin", false, "create, change and delete policies"),
  "policy.pause": rule("operator", true, "pause and resume policies"),
  "backup.read": rule("viewer", true, "see backups, jobs and their progress, triggers, statistics"),
  "backup.start": rule("operator", true, "ask for a backup"),
  "backup.cancel": rule("operator", true, "cancel a running backup"),
  "backup.download": rule("admin", false, "download the sealed objects of a backup"),
  "restore.read": rule("viewer", true, "see restores, what they would change and what they did"),
  "restore.inspect": rule("admin", false, "see the rows that a restore would change, masked columns masked"),
  "restore.start": rule("admin", true, "order, decide, approve and cancel restores"),
  "restore.rollback": rule("admin", true, "roll a restore back"),
  "retention.read": rule("viewer", true, "see which rule keeps each backup, and whether a legal hold does"),
  "hold.place": rule("admin", true, "place a legal hold"),
  "hold.lift": rule("owner", false, "lift a legal hold"),
  "verification.read": rule("viewer", true, "see what was proven"),
  "notification.read": rule("viewer", true, "see notification channels and what became of notifications"),
  "notification.write": rule("admin", false, "add and remove notification channels"),
  "notification.test": rule("operator", true, "send a test through a channel"),
  "erasure.read": rule("admin", true, "see what an erasure would remove, how far one is, and its certificate"),
  "organization.erase": rule("owner", false, "erase everything that is kept of the organization's backups"),
  "verification.start": rule("operator", true, "ask for a stored backup to be verified"),
  "report.read": rule("viewer", true, "read compliance reports"),
  "audit.read": rule("admin", true, "read the audit log"),
} as const satisfies Record<string, Rule>;

export type Action = keyof typeof actionTable;

export function mayDo(role: Role, action: Action): boolean {
  const { from, platform } = actionTable[action];
  return role === "platform" ? platform : roles.indexOf(role) >= roles.indexOf(from);
}

/** Who asks, as the token says. Organization is null for platform admins only. */
export interface Principal {
  /** Opaque: the token's subject. */
  readonly subject: string;
  readonly role: Role;
  readonly organizationId: string | null;
}
