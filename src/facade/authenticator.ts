// Who asks: proves a signed token and reads its claims. The algorithms are pinned by the kind of key, never taken from the
// token: HS256 where a secret is configured, signatures by key pairs where an issuer publishes its keys. So "none" and a
// public key used as a secret are both refused.
import { createRemoteJWKSet, errors, jwtVerify, type JWTPayload, type JWTVerifyOptions } from "jose";
import { isRole, type Principal, type Role } from "../domain/authorization.ts";
import { BackupError } from "../domain/errors.ts";

export interface AuthenticationOptions {
  readonly secret: string | null;
  readonly jwksUrl: string | null;
  readonly issuer: string;
  readonly audience: string;
  /** Names of claims; dots lead into claims within claims. */
  readonly roleClaim: string;
  readonly organizationClaim: string;
  /** The issuer's names of roles → ours; null when they are the same. */
  readonly roles: Readonly<Record<string, string>> | null;
}

export interface Authenticated {
  readonly principal: Principal;
  /** Milliseconds since 1970. */
  readonly expiresAtMs: number;
}

/** @throws Unauthenticated, with a reason that helps an honest caller and tells a forger nothing; IdentityProviderUnreachable */
export type Authenticator = (token: string) => Promise<Authenticated>;

const clockSkewSeconds = 30;
const maxTokenBytes = 8_192;
const keyPairAlgorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"];

export function createAuthenticator(options: AuthenticationOptions): Authenticator {
  const { secret, jwksUrl, issuer, audience } = options;
  const common: JWTVerifyOptions = {
    issuer,
    audience,
    clockTolerance: clockSkewSeconds,
    requiredClaims: ["exp", "sub"],
  };
  let verify: (token: string) => Promise<{ payload: JWTPayload }>;
  if (secret !== null) {
    const key = new TextEncoder().encode(secret);
    verify = (token) => jwtVerify(token, key, { ...common, algorithms: ["HS256"] });
  } else if (jwksUrl !== null) {
    // Fetched when a key is not known, at most once in ten seconds: a new key is found, a flood of unknown ones is not
    // passed on to the issuer.
    const keys = createRemoteJWKSet(new URL(jwksUrl), { cooldownDuration: 10_000, timeoutDuration: 5_000 });
    verify = (token) => jwtVerify(token, keys, { ...common, algorithms: keyPairAlgorithms });
  } else {
    throw new BackupError(
      "ConfigurationInvalid",
      "Nothing says who may ask: set BACKUP_AUTH_SECRET or BACKUP_AUTH_JWKS_URL.",
    );
  }
  return async (token) => {
    if (token.length > maxTokenBytes) throw refused("The token is too long.");
    const { payload } = await verify(token).catch((error: unknown) => {
      throw asRefusal(error);
    });
    return { principal: principalOf(payload, options), expiresAtMs: (payload.exp ?? 0) * 1000 };
  };
}

function principalOf(payload: JWTPayload, options: AuthenticationOptions): Principal {
  const subject = payload.sub ?? "";
  if (!/^[\x21-\x7e]{1,200}$/.test(subject)) throw refused("The token's subject must be 1 to 200 visible characters.");
  const role = roleOf(claimAt(payload, options.roleClaim), options.roles);
  if (role === null) throw refused(`The token's claim ${options.roleClaim} names no role of this product.`);
  if (role === "platform") return { subject, role, organizationId: null };
  const organizationId = claimAt(payload, options.organizationClaim);
  if (typeof organizationId !== "string" || !isOrganizationId(organizationId))
    throw refused(`The token's claim ${options.organizationClaim} names no organization.`);
  return { subject, role, organizationId };
}

function roleOf(claim: unknown, roles: AuthenticationOptions["roles"]): Role | null {
  if (typeof claim !== "string") return null;
  const name = roles === null ? claim : Object.hasOwn(roles, claim) ? roles[claim] : null;
  return isRole(name) ? name : null;
}

function claimAt(payload: JWTPayload, path: string): unknown {
  let at: unknown = payload;
  for (const name of path.split(".")) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, name)) return undefined;
    at = (at as Record<string, unknown>)[name];
  }
  return at;
}

export const isOrganizationId = (text: string): boolean =>
  text !== "" && text.isWellFormed() && Buffer.byteLength(text) <= 200 && !/\p{Cc}/u.test(text);

const refused = (message: string): BackupError => new BackupError("Unauthenticated", message);

function asRefusal(error: unknown): BackupError {
  if (error instanceof errors.JWTExpired) return refused("The token has expired.");
  if (error instanceof errors.JWTClaimValidationFailed)
    return refused(`The token's claim ${error.claim} is not as it must be.`);
  if (error instanceof errors.JOSEError && !isOutage(error)) return refused("The token is not valid.");
  return new BackupError(
    "IdentityProviderUnreachable",
    "The keys of the token's issuer can't be fetched; try again later.",
    {},
    { cause: error },
  );
}

/** The issuer did not answer, or with something that is no key set (jose has no class for that): the token may be good. */
const isOutage = (error: InstanceType<typeof errors.JOSEError>): boolean =>
  error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid || error.constructor === errors.JOSEError;
