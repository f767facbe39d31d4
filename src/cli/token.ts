// wedsync-backup token: signs a token for local use, with the facade's own secret. Where an OpenID Connect issuer is
// configured, tokens come from there.
import { SignJWT } from "jose";
import { findAuthSecret } from "../config/auth-secret.ts";
import { isRole } from "../domain/authorization.ts";
import { BackupError } from "../domain/errors.ts";
import { usage } from "./output.ts";
import type { Session } from "./session.ts";

export interface TokenOptions {
  readonly role: string;
  readonly organization?: string;
  readonly subject: string;
  readonly hours: string;
}

const maxHours = 24 * 30;

export async function runToken(session: Session, options: TokenOptions): Promise<number> {
  const hours = Number(options.hours);
  if (!Number.isFinite(hours) || hours <= 0 || hours > maxHours)
    throw usage(`--hours must be above 0 and at most ${maxHours}.`);
  const expiresAt = new Date(Date.now() + hours * 3_600_000);
  const token = await makeToken(session, { ...options, organization: options.organization ?? null, expiresAt });
  session.output.result(
    { token, role: options.role, organizationId: options.organization ?? null, expiresAt: expiresAt.toISOString() },
    () => token,
  );
  return 0;
}

/** @throws UsageInvalid, ConfigurationInvalid */
export async function makeToken(
  { config, output }: Session,
  asked: { role: string; organization: string | null; subject: string; expiresAt: Date },
): Promise<string> {
  const { auth } = config.facade;
  if (!isRole(asked.role)) throw usage("--role must be viewer, operator, admin, owner or platform.");
  if ((asked.role === "platform") !== (asked.organization === null))
    throw usage("Say --organization ID for every role but platform, which has none.");
  const secret = await findAuthSecret(config, (line) => output.say(line));
  if (secret === null)
    throw new BackupError("ConfigurationInvalid", "Tokens come from your issuer (BACKUP_AUTH_JWKS_URL is set).");
  // The issuer's name for the role, where names are mapped.
  const name =
    auth.roles === null ? asked.role : Object.keys(auth.roles).find((each) => auth.roles?.[each] === asked.role);
  if (name === undefined) throw usage(`BACKUP_AUTH_ROLES has no name for the role ${asked.role}.`);
  const claims = {};
  setClaim(claims, auth.roleClaim, name);
  if (asked.organization !== null) setClaim(claims, auth.organizationClaim, asked.organization);
  return await new SignJWT(claims)
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .setSubject(asked.subject)
    .setIssuer(auth.issuer)
    .setAudience(auth.audience)
    .setIssuedAt()
    .setExpirationTime(asked.expiresAt)
    .sign(new TextEncoder().encode(secret));
}

function setClaim(claims: Record<string, unknown>, path: string, value: string): void {
  const names = path.split(".");
  const last = names.pop() as string;
  let at = claims;
  for (const name of names) {
    at[name] ??= {};
    at = at[name] as Record<string, unknown>;
  }
  at[last] = value;
}
