// A facade over a backup rig: real control tables under the facade's own role, real Temporal, real store.
import { randomBytes } from "node:crypto";
import { SignJWT, type JWTPayload } from "jose";
import { Pool } from "pg";
import { createRestoreTarget } from "../../src/adapters/postgres/restore/restore-target.ts";
import { drawPage } from "../../src/cli/report.ts";
import { drawPdf } from "../../src/cli/report-pdf.ts";
import { openBoundSessions, readBindingKey } from "../../src/control/bound-sessions.ts";
import { channelSecretPurpose, channelTargetPurpose, sealText } from "../../src/crypto/sealed-text.ts";
import type { Role } from "../../src/domain/authorization.ts";
import { createAuthenticator } from "../../src/facade/authenticator.ts";
import type { FacadeDependencies } from "../../src/facade/dependencies.ts";
import { JobWatch } from "../../src/facade/job-watch.ts";
import { createRateLimits, type LimitName } from "../../src/facade/rate-limits.ts";
import { startFacade } from "../../src/facade/start-facade.ts";
import { createBackupFinder } from "../../src/facade/stored-backups.ts";
import type { BackupRig } from "./backup-rig.ts";

export interface FacadeRigOptions {
  readonly limits?: Readonly<Record<LimitName, number>>;
  readonly dependencies?: Partial<FacadeDependencies>;
  readonly requestTimeoutMs?: number;
}

export type FacadeRig = Awaited<ReturnType<typeof createFacadeRig>>;

const generous = { backup: 10_000, restore: 10_000, trigger: 10_000 };

export async function createFacadeRig(rig: BackupRig, options: FacadeRigOptions = {}) {
  const secret = randomBytes(32).toString("base64");
  const authentication = {
    secret,
    jwksUrl: null,
    issuer: "wedsync-backup",
    audience: "wedsync-backup",
    roleClaim: "role",
    organizationClaim: "organization_id",
    roles: null,
  };
  const bindingKey = await readBindingKey(rig.control);
  const sessions = openBoundSessions({ url: rig.database.url, bindingKey });
  const pool = new Pool({ connectionString: rig.database.url, max: 4 });
  pool.on("error", () => {}); // the database may be dropped while a connection is idle
  const logged: string[] = [];
  const dependencies: FacadeDependencies = {
    sessions,
    client: rig.client,
    authenticate: createAuthenticator(authentication),
    limits: createRateLimits({ kind: "postgres", pool }, options.limits ?? generous),
    backups: createBackupFinder(async () => rig.repository),
    watch: new JobWatch(rig.client),
    readDifferences: async (restoreId, page) => {
      const target = createRestoreTarget({ url: rig.database.url });
      try {
        return await target.readDifferences(restoreId, page);
      } finally {
        await target.close();
      }
    },
    masks: rig.catalogue.masks ?? [],
    drawReport: drawPage,
    drawReportPdf: drawPdf,
    dataSets: rig.catalogue.dataSets.map((dataSet) => dataSet.name),
    listOrganizations: () => rig.source.listOrganizations(rig.catalogue.root),
    notifications: {
      allowedHosts: [],
      sealSecret: (channelId, text) => sealText(rig.key, channelSecretPurpose(channelId), text),
      sealTarget: (channelId, target) => sealText(rig.key, channelTargetPurpose(channelId), JSON.stringify(target)),
    },
    checks: {},
    log: {
      info: (fields, message) => void logged.push(JSON.stringify({ message, ...fields })),
      error: (fields, message) => void logged.push(JSON.stringify({ level: "error", message, ...fields })),
    },
    ipHashSalt: "a salt for tests only",
    signingKey: randomBytes(32),
    trustedProxies: 0,
    tracing: null,
    temporalUiUrl: "http://temporal.example",
    ...options.dependencies,
  };
  const facade = await startFacade({
    port: 0,
    host: "127.0.0.1",
    dependencies,
    drainMs: 200,
    ...(options.requestTimeoutMs === undefined ? {} : { requestTimeoutMs: options.requestTimeoutMs }),
  });

  async function token(role: string, organizationId: string | null, claims: JWTPayload = {}): Promise<string> {
    return await new SignJWT({ role, ...(organizationId === null ? {} : { organization_id: organizationId }) })
      .setProtectedHeader({ alg: "HS256" })
      .setSubject(claims.sub ?? `${role}-1`)
      .setIssuer(claims.iss ?? authentication.issuer)
      .setAudience(claims.aud ?? authentication.audience)
      .setIssuedAt()
      .setExpirationTime(claims.exp ?? "1h")
      .sign(new TextEncoder().encode(secret));
  }

  return {
    url: facade.url,
    secret,
    dependencies,
    bindingKey,
    logged,
    token,
    /** Authorization header of a role. */
    async as(role: Role, organizationId: string | null, claims?: JWTPayload): Promise<{ Authorization: string }> {
      return { Authorization: `Bearer ${await token(role, organizationId, claims)}` };
    },
    async close(): Promise<void> {
      await facade.stop();
      await sessions.close();
      await pool.end();
    },
  };
}

/** For tests that need several facades over one rig: each that is opened is closed in the end. */
export function openFacades(rig: () => BackupRig) {
  const opened: FacadeRig[] = [];
  const open = async (options: FacadeRigOptions = {}): Promise<FacadeRig> => {
    const made = await createFacadeRig(rig(), options);
    opened.push(made);
    return made;
  };
  const close = async (): Promise<void> => {
    for (const each of opened) await each.close();
  };
  return { open, close };
}
