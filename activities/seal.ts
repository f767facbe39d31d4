// Stage 9, seal: builds the manifest and writes it, create-only. From here the backup exists; before it nothing is listed.
import { BackupError } from "../src/domain/errors.ts";
import type { ForeignRows } from "../src/domain/foreign-rows.ts";
import type { JobLedger } from "../src/ports/job-ledger.ts";
import {
  formatVersion,
  rowLayersFeature,
  type Manifest,
  type SegmentReference,
  type TableEntry,
  type TableLayer,
} from "../src/repository/manifest.ts";
import { usesLayers } from "../src/repository/read-layers.ts";
import type { BackupSession } from "./backup-session.ts";
import { beatWhile } from "./heartbeat.ts";
import type { Bench } from "./bench.ts";
import type { SealedBackup, SessionKey } from "./contract.ts";
import { Stopwatch } from "./stopwatch.ts";

interface SealInput {
  readonly key: SessionKey;
  readonly fencingToken: number;
}

export async function sealBackup(
  bench: Bench,
  jobs: JobLedger,
  toolVersion: string,
  { key, fencingToken }: SealInput,
): Promise<SealedBackup> {
  const session = bench.session(key);
  const watch = new Stopwatch("shared");
  const { vault, organizationId, beforeRestore } = session.parts;
  const { sealedManifest, foreignRows } = await beatWhile(
    () => ({ stage: "seal" }),
    async () => {
      // A run whose lease went to another must not write: a prune may have removed packs that it counts on.
      await jobs.assertLease({ organizationId, fencingToken });
      if (session.sealedManifest === null) await Promise.all([session.reader.assertIntact(), session.ahead.trusted]);
      const found = await session.findForeignRows();
      session.sealedManifest ??= watch.measure(() =>
        vault.sealManifest(
          buildManifest(session, key.backupId, toolVersion, found),
          beforeRestore ? { beforeRestore } : {},
        ),
      );
      await vault.storeManifest(session.sealedManifest);
      return { sealedManifest: session.sealedManifest, foreignRows: found };
    },
  ).finally(() => watch.stop());
  session.releaseSnapshot();
  watch.bytesOut = sealedManifest.bytes.length;
  return {
    sequence: nextSequence(session),
    manifestHash: sealedManifest.hash,
    manifestBytes: sealedManifest.bytes.length,
    missingFiles: session.collector?.missing.length ?? 0,
    foreignRows: foreignRows.reduce((sum, { rows }) => sum + rows, 0),
    figures: watch.figures(),
  };
}

/** Above both what the store shows and what the control tables remember: a removed manifest's number is not used again. */
function nextSequence({ parts: { bases, remembered } }: BackupSession): number {
  return Math.max(bases[0]?.manifest.sequence ?? 0, remembered?.sequence ?? 0) + 1;
}

function buildManifest(
  session: BackupSession,
  backupId: string,
  toolVersion: string,
  foreignRows: readonly ForeignRows[],
): Manifest {
  const { held, bases, remembered, organizationId, dataSets } = session.parts;
  const { collector } = session;
  if (collector === null) throw new BackupError("Internal", "The session has no collector.");
  const packs = new PackList();
  const locate = (segment: { id: string; rawBytes: number; rows?: number }): SegmentReference => {
    const stored = session.stored.get(segment.id);
    if (stored === undefined) throw new BackupError("Internal", "A collected segment was never stored.");
    const { packName, packBytes, offset, length } = stored;
    return {
      id: segment.id,
      pack: packs.index(packName, packBytes),
      offset,
      length,
      rawBytes: segment.rawBytes,
      rows: segment.rows ?? 0,
    };
  };
  const unfinished = collector.tables.filter((table) => !table.done);
  if (unfinished.length > 0 || collector.tables.length !== session.parts.tables.length) {
    throw new BackupError("Internal", "A table was not read to its end.");
  }
  const locateLayer = ({ rows, removed }: TableLayer): TableLayer => ({
    rows: rows.map(locate),
    removed: removed.map(locate),
  });
  const tables = collector.tables.map(({ table, segments, reused, layer, rows, rawBytes, checksum }): TableEntry => {
    const below = reused ?? layer?.base ?? null;
    const layers = (below?.layers ?? []).map(locateLayer);
    if (layer !== null) {
      const located = segments.map(locate);
      layers.push({ rows: located.slice(0, layer.rowSegments), removed: located.slice(layer.rowSegments) });
    }
    return {
      table: table.table,
      dataSet: table.dataSet ?? "",
      columns: [...table.columns],
      keyColumnCount: table.keyColumnCount,
      rows,
      rawBytes,
      checksum,
      segments: (below?.segments ?? segments).map(locate),
      ...(layers.length === 0 ? {} : { layers }),
      backupsSinceRead: below === null ? 0 : below.backupsSinceRead + 1,
    };
  });
  const files = collector.files.map(({ path, file, parts, reused, sha256 }) => ({
    path,
    sizeBytes: file.sizeBytes,
    modifiedAt: file.modifiedAt,
    versionTag: file.versionTag,
    sha256,
    parts: (reused?.parts ?? parts).map(locate),
  }));
  const sequence = nextSequence(session);
  const [base] = bases;
  const previous =
    base !== undefined && base.manifest.sequence === sequence - 1 ? base.hash : (remembered?.hash ?? null);
  const { name, lsn, takenAt, systemIdentifier, timeline, databaseName, serverVersion, oldestTransaction } =
    held.reference;
  return {
    formatVersion,
    features: usesLayers(tables) ? [rowLayersFeature] : [],
    organizationId,
    backupId,
    sequence,
    previousManifestHash: previous,
    createdAt: new Date().toISOString(),
    toolVersion,
    snapshot: { name, lsn, takenAt, systemIdentifier, timeline, databaseName, serverVersion, oldestTransaction },
    catalogueName: held.closure.catalogue.name,
    root: held.closure.catalogue.root,
    schemaFingerprint: session.parts.schemaFingerprint,
    schema: held.schema,
    classifications: [...held.closure.classifications],
    tables,
    media: { files, missing: collector.missing.map(({ path, table }) => ({ path, table })) },
    packs: packs.entries,
    complete: collector.missing.length === 0,
    foreignRows: [...foreignRows],
    ...(dataSets === null ? {} : { dataSets: [...dataSets] }),
  };
}

class PackList {
  readonly entries: { name: string; sizeBytes: number }[] = [];
  private readonly indexes = new Map<string, number>();

  index(name: string, sizeBytes: number): number {
    const known = this.indexes.get(name);
    if (known !== undefined) return known;
    this.indexes.set(name, this.entries.length);
    return this.entries.push({ name, sizeBytes }) - 1;
  }
}
