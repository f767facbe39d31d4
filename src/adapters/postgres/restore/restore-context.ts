// What every step of a restore begins with: a session, the live schema of now, and the plan that follows from both.
import { sha256 } from "../../../crypto/sha256.ts";
import { canonicalSchema } from "../../../domain/canonical-schema.ts";
import { BackupError } from "../../../domain/errors.ts";
import type { RestorePlan } from "../../../domain/restore/restore-plan.ts";
import { keptSchemaSql } from "../../../domain/restore/kept-schema.ts";
import { Staging, stagingSchema } from "../../../domain/restore/staging-names.ts";
import type { SchemaDescription } from "../../../domain/schema.ts";
import { quoteLiteral } from "../../../domain/sql-quoting.ts";
import type { RestorePlanInput } from "../../../ports/restore-target.ts";
import { readSchema } from "../read-schema.ts";
import { lacksRoom, mapRestoreError } from "./map-restore-error.ts";
import { planBackup } from "./plan-backup.ts";
import { RestoreSession } from "./restore-session.ts";

export interface RestoreContext {
  readonly session: RestoreSession;
  readonly input: RestorePlanInput;
  readonly plan: RestorePlan;
  readonly liveSchema: SchemaDescription;
  readonly staging: Staging;
  /** The restore's id as an SQL literal. */
  readonly restoreId: string;
  /** Another session like this one, for work at the same time. Whoever opens it closes it. */
  readonly openBeside: () => Promise<RestoreSession>;
}

/**
 * Runs `work` with a context of its own, one step of a restore at a time, and closes its session. Where the server has no
 * room for two processes that share memory, `work` runs again with one.
 */
export async function withContext<T>(
  url: string,
  input: RestorePlanInput,
  work: (context: RestoreContext) => Promise<T>,
): Promise<T> {
  try {
    return await withContextOnce(url, input, work, { mayShare: true });
  } catch (error) {
    if (!lacksRoom(error)) throw error;
    return await withContextOnce(url, input, work, { mayShare: false });
  }
}

async function withContextOnce<T>(
  url: string,
  input: RestorePlanInput,
  work: (context: RestoreContext) => Promise<T>,
  sharing: { readonly mayShare: boolean },
): Promise<T> {
  const withPlan = async (session: RestoreSession): Promise<T> => {
    const liveSchema = await readSchema(session.client, input.catalogue.schemas).catch((error: unknown) => {
      throw mapRestoreError(error, "reading the live schema");
    });
    const searchPath = searchPathOf(liveSchema, input.catalogue.schemas);
    await session.setSearchPath(searchPath);
    const plan = planBackup(input, liveSchema);
    const { restoreId } = input;
    return work({
      session,
      input,
      plan,
      liveSchema,
      staging: stagingOf(restoreId),
      restoreId: quoteLiteral(restoreId),
      openBeside: async () => {
        const beside = await RestoreSession.open(url);
        await beside.setSearchPath(searchPath);
        return beside;
      },
    });
  };
  return withSession(url, input.restoreId, withPlan, sharing);
}

export async function withSession<T>(
  url: string,
  restoreId: string,
  work: (session: RestoreSession) => Promise<T>,
  sharing: { readonly mayShare: boolean } = { mayShare: true },
): Promise<T> {
  const session = await RestoreSession.open(url, sharing);
  try {
    // An earlier attempt whose answer was lost may still be at work on the server.
    await session.execute(
      "SELECT pg_advisory_lock(hashtextextended('wedsync restore ' || $1, 0))",
      "waiting for an earlier attempt",
      [restoreId],
    );
    return await work(session);
  } finally {
    await session.close();
  }
}

export const stagingOf = (restoreId: string): Staging => new Staging(stagingSchema(hexOf(restoreId)));

function hexOf(restoreId: string): string {
  const plain = restoreId.replaceAll("-", "").toLowerCase();
  return /^[0-9a-f]{32}$/.test(plain) ? plain : sha256(restoreId).slice(0, 32);
}

export function searchPathOf(schema: SchemaDescription, own: readonly string[]): readonly string[] {
  return [...new Set([...own, ...schema.extensions.map((extension) => extension.schema)])].filter(
    (name) => name !== "pg_catalog",
  );
}

/** Made by the first restore of a database. */
export async function ensureKeptSchema(session: RestoreSession): Promise<void> {
  const doing = "making the schema wedsync_restore";
  const present = await session.value("SELECT to_regclass('wedsync_restore.undo_inserts') IS NOT NULL", doing);
  if (present === "t") return;
  // CREATE SCHEMA IF NOT EXISTS can fail when two do it at once.
  await session.execute(
    `BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('wedsync_restore', 0)); ${keptSchemaSql}; COMMIT`,
    doing,
  );
}

/** Equal = what was staged is what would be staged again. */
export function stagingIdentity({ input, liveSchema }: RestoreContext): string {
  const content = (backup: RestorePlanInput["backup"] | null): unknown =>
    backup?.tables.map(({ table, columns, rows, checksum }) => [table, columns, rows, checksum]) ?? null;
  const parts = [
    canonicalSchema(liveSchema),
    canonicalSchema(input.backup.schema),
    content(input.backup),
    content(input.mergeBase),
    input.selection,
    input.renamedColumns,
    input.catalogue,
    input.organizationId,
    input.targetOrganizationId,
    input.leftOverIds,
  ];
  return sha256(JSON.stringify(parts));
}

export function refuseBlockingDrift(plan: Pick<RestorePlan, "drift">): void {
  const blocking = plan.drift.filter((entry) => entry.effect === "blocks");
  if (blocking.length === 0) return;
  const lines = blocking.map(
    ({ table, column, what, message }) => `${table}${column === null ? "" : `.${column}`}: ${what}: ${message}`,
  );
  throw new BackupError(
    "SchemaDrifted",
    `The live schema differs from the backup's; nothing was touched:\n- ${lines.join("\n- ")}`,
    { differences: lines },
  );
}
