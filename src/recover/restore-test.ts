// The restore test: a backup is recovered into a database that is made for it, row by row the same as it was taken, the
// catalogue's rules are asked there, and the database is dropped. What a crash leaves is dropped by the next attempt of
// the same test, or by any test a day later.
import { Client } from "pg";
import { openRuleChecker } from "../adapters/postgres/rule-checker.ts";
import type { Rule } from "../domain/catalogue.ts";
import { BackupError } from "../domain/errors.ts";
import type { RuleFinding } from "../domain/restore-run.ts";
import { quoteIdentifier } from "../domain/sql-quoting.ts";
import type { Manifest } from "../repository/manifest.ts";
import type { OrganizationVault } from "../repository/vault.ts";
import { recoverToDatabase } from "./recover-to-database.ts";

const prefix = "wedsync_restore_test_";
const leftoverMs = 24 * 60 * 60 * 1000;

export interface RestoreTestInput {
  readonly testId: string;
  readonly vault: OrganizationVault;
  readonly manifest: Manifest;
  readonly rules: readonly Rule[];
  readonly onProgress: (progress: { bytes: number }) => void;
}

interface Tested {
  readonly rows: number;
  readonly durationMs: number;
  readonly rules: readonly RuleFinding[];
  readonly notes: readonly string[];
}

/** `serverUrl`: any database of the server that the test's database is made on; its role needs CREATEDB. */
export async function testRestore(
  serverUrl: string,
  { testId, vault, manifest, rules, onProgress }: RestoreTestInput,
): Promise<Tested> {
  const owner = testId
    .replaceAll(/[^a-z0-9]/gi, "")
    .slice(0, 24)
    .toLowerCase();
  const name = `${prefix}${Date.now().toString(36)}_${owner}`;
  const admin = new Client({ connectionString: serverUrl });
  admin.on("error", () => {}); // shows itself with the next statement
  try {
    await admin.connect();
    await dropLeftovers(admin, owner);
    await admin.query(`CREATE DATABASE ${quoteIdentifier(name)} TEMPLATE template0 ENCODING 'UTF8'`);
  } catch (error) {
    await admin.end().catch(() => {}); // it never worked; the reason is thrown below
    throw mapServerError(error);
  }
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  try {
    const startedMs = performance.now();
    const { rows, leftOut } = await recoverToDatabase({ vault, manifest, databaseUrl: url.href, onProgress });
    const durationMs = Math.round(performance.now() - startedMs);
    const asked = await askRules(url.href, manifest.organizationId, rules);
    return { rows, durationMs, rules: asked.findings, notes: [...leftOut, ...asked.notes] };
  } finally {
    await admin.query(`DROP DATABASE IF EXISTS ${quoteIdentifier(name)} WITH (FORCE)`).catch(() => {}); // swept by the next test
    await admin.end().catch(() => {}); // what was asked is answered already
  }
}

async function askRules(url: string, organizationId: string, rules: readonly Rule[]) {
  const findings: RuleFinding[] = [];
  const notes: string[] = [];
  if (rules.length === 0) return { findings, notes };
  const checker = await openRuleChecker(url);
  try {
    for (const rule of rules) {
      try {
        findings.push(...(await checker.check(organizationId, [rule])));
      } catch (error) {
        // A rule may need a table that backups leave out.
        if (!(error instanceof BackupError && error.code === "CatalogueInvalid")) throw error;
        notes.push(`not asked: ${error.message}`);
      }
    }
  } finally {
    await checker.close();
  }
  return { findings, notes };
}

async function dropLeftovers(admin: Client, owner: string): Promise<void> {
  const { rows } = await admin.query<{ datname: string }>(
    "SELECT datname FROM pg_catalog.pg_database WHERE starts_with(datname, $1)",
    [prefix],
  );
  for (const { datname } of rows) {
    const [madeAt = "", of] = datname.slice(prefix.length).split("_");
    const isOld = Date.now() - Number.parseInt(madeAt, 36) > leftoverMs;
    if (of === owner || isOld) await admin.query(`DROP DATABASE IF EXISTS ${quoteIdentifier(datname)} WITH (FORCE)`);
  }
}

function mapServerError(error: unknown): BackupError {
  const { code = "" } = error as { code?: string };
  return code === "42501"
    ? new BackupError(
        "RestoreTargetRefused",
        "The role may not make a database for the restore test. Grant it CREATEDB, or set BACKUP_SCRATCH_DATABASE_URL to a server where it may.",
        { sqlState: code },
        { cause: error },
      )
    : new BackupError(
        "RestoreTargetUnreachable",
        "The server on which a database for the restore test should be made does not answer.",
        { sqlState: code },
        { cause: error },
      );
}
