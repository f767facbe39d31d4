// One organization out of the repository into an empty Postgres: with the bucket and the key alone. Its tables are there
// with everything, proven, or not at all; where they are there already by the same command, that is proven and said.
import { mayBePlaced } from "../domain/placed-ddl.ts";
import { planRecoveryDdl } from "../domain/recovery-ddl.ts";
import type { Manifest } from "../repository/manifest.ts";
import type { OrganizationVault } from "../repository/vault.ts";
import { findCompleted } from "./completed-recovery.ts";
import { recoverAtOnce } from "./recover-at-once.ts";
import { recoverOnTwoSessions } from "./recover-on-two-sessions.ts";
import { neverInBackups, type RecoverProgress } from "./recover-progress.ts";
import type { RecoverWork } from "./recover-work.ts";
import { holdTarget } from "./recovery-lock.ts";
import { clearUnfinished } from "./remove-unfinished.ts";
import { openTarget } from "./target-database.ts";

/** Below it, a second session costs more than it saves. */
const bytesForTwo = 16 * 1024 * 1024;

export interface DatabaseRecovery {
  readonly tables: number;
  readonly rows: number;
  readonly bytes: number;
  readonly sessions: 1 | 2;
  /** An earlier run had recovered the same backup to its end; nothing was written, and every row was proven again. */
  readonly wasThere: boolean;
  /** The backups of recoveries that did not end, and left something here that was taken away first. */
  readonly cleanedUpAfter: readonly string[];
  readonly durationMs: number;
  /** What was not made again, each with its reason. */
  readonly leftOut: readonly string[];
}

interface RecoverInput {
  readonly vault: OrganizationVault;
  readonly manifest: Manifest;
  readonly databaseUrl: string;
  readonly onProgress?: (progress: RecoverProgress) => void;
  /** What an unfinished recovery of that backup left was taken away. */
  readonly onCleanedUp?: (backupId: string) => void;
  /** From so many bytes of rows on by two sessions. */
  readonly bytesForTwoSessions?: number;
}

/**
 * @throws RecoverTargetNotEmpty, RecoverTargetBusy, RecoverTargetUnreachable, RecoverTargetRefused, RecoverMismatch, and the
 *   store's and the repository's errors; then nothing is left in the database.
 */
export async function recoverToDatabase({
  vault,
  manifest,
  databaseUrl,
  onProgress,
  onCleanedUp,
  bytesForTwoSessions = bytesForTwo,
}: RecoverInput): Promise<DatabaseRecovery> {
  const startedMs = performance.now();
  const target = await openTarget(databaseUrl);
  const totalBytes = manifest.tables.reduce((sum, table) => sum + table.rawBytes, 0);
  const seen = { rows: 0, bytes: 0 };
  const report = (phase: RecoverProgress["phase"], table: string): void =>
    onProgress?.({ phase, table, ...seen, totalBytes });
  const work: RecoverWork = {
    target,
    vault,
    manifest,
    onBytes: (table, bytes) => {
      seen.bytes += bytes;
      report("rows", table);
    },
    onTable: (rows) => (seen.rows += rows),
    report,
  };
  try {
    await holdTarget(target);
    const plan = planRecoveryDdl(manifest.schema, manifest.tables);
    const describe = (notes: readonly string[]) => ({
      tables: manifest.tables.length,
      ...seen,
      durationMs: Math.round(performance.now() - startedMs),
      leftOut: [...plan.leftOut, ...notes, ...noteFiles(manifest), neverInBackups],
    });
    const earlier = await findCompleted(work, plan);
    if (earlier !== null)
      return { ...describe(earlier), bytes: totalBytes, sessions: 1, wasThere: true, cleanedUpAfter: [] };
    const cleanedUpAfter = await clearUnfinished(target);
    for (const backupId of cleanedUpAfter) onCleanedUp?.(backupId);
    const mayBeTwo = totalBytes >= bytesForTwoSessions && mayBePlaced(manifest.schema, plan.tables);
    // A server that has no room for a second session may have enough with one.
    const beside = mayBeTwo ? await openTarget(databaseUrl).catch(() => null) : null;
    const notes =
      beside === null ? await recoverAtOnce(work, plan) : await recoverOnTwoSessions({ ...work, beside, databaseUrl });
    return { ...describe(notes), sessions: beside === null ? 1 : 2, wasThere: false, cleanedUpAfter };
  } finally {
    await target.close(); // without a commit, the server forgets everything
  }
}

const noteFiles = ({ media: { files } }: Manifest): readonly string[] =>
  files.length === 0 ? [] : [`${files.length} files: a database holds none; recover them into a folder`];
