// wedsync-backup show: what one backup holds, from the bucket and the key alone.
import { findBackup } from "./find-backup.ts";
import { bytes, number, table } from "./output.ts";
import type { Session } from "./session.ts";

export async function runShow(session: Session, backup: string, options: { organization?: string }): Promise<number> {
  const { manifest, hash, sizeBytes } = await findBackup(session, backup, options.organization);
  const { schema: _schema, tables, media, classifications, ...rest } = manifest;
  const summary = {
    ...rest,
    manifestHash: hash,
    manifestBytes: sizeBytes,
    tables: tables.map(({ segments, columns, ...entry }) => ({
      ...entry,
      columns: columns.length,
      segments: segments.length,
    })),
    notStored: classifications.filter((each) => each.dataSet === null),
    files: media.files.length,
    fileBytes: media.files.reduce((sum, file) => sum + file.sizeBytes, 0),
    missingFiles: media.missing,
  };
  session.output.result(summary, () => {
    const rows = summary.tables.map((each) => [
      each.table,
      each.dataSet,
      number(each.rows),
      bytes(each.rawBytes),
      String(each.segments),
      each.checksum.slice(0, 12),
    ]);
    return [
      `backup ${manifest.sequence} of ${manifest.organizationId}: ${manifest.backupId}`,
      `moment ${manifest.snapshot.takenAt} (LSN ${manifest.snapshot.lsn ?? "unknown"}), ${manifest.complete ? "complete" : `INCOMPLETE: ${media.missing.length} files were missing`}`,
      table(["table", "data set", "rows", "size", "segments", "checksum"], rows),
      `${summary.files} files, ${bytes(summary.fileBytes)}; ${manifest.packs.length} packs, ${bytes(manifest.packs.reduce((sum, pack) => sum + pack.sizeBytes, 0))}`,
      ...(manifest.foreignRows ?? []).map(
        (each) =>
          `${number(each.rows)} rows of ${each.table} point at rows of ${each.parent} that are another organization's (${each.key})`,
      ),
      ...summary.notStored.map((each) => `not stored: ${each.table} (${each.role}: ${each.reason})`),
    ].join("\n");
  });
  return 0;
}
