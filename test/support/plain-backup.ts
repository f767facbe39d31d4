// A backup without Temporal, for tests of what reads backups: snapshot → rows and files → segments → packs → manifest, by
// the same parts that the activities use.
import { createHash, randomUUID } from "node:crypto";
import { createPostgresSource } from "../../src/adapters/postgres/postgres-source.ts";
import type { Catalogue, ClosureTable } from "../../src/domain/catalogue.ts";
import { planTenantClosure } from "../../src/domain/tenant-closure.ts";
import type { MediaSource } from "../../src/ports/media-source.ts";
import type { SnapshotReader } from "../../src/ports/source-database.ts";
import { compressSegment } from "../../src/repository/compression.ts";
import {
  formatVersion,
  type Manifest,
  type MediaEntry,
  type SegmentReference,
  type TableEntry,
} from "../../src/repository/manifest.ts";
import { RowSegmenter } from "../../src/repository/row-segmenter.ts";
import { fingerprintSchema } from "../../src/repository/schema-fingerprint.ts";
import type { CompressedSegment } from "../../src/repository/pack.ts";
import type { OrganizationVault } from "../../src/repository/vault.ts";

export interface PlainBackupOptions {
  readonly url: string;
  readonly catalogue: Catalogue;
  readonly organizationId: string;
  readonly vault: OrganizationVault;
  readonly media?: MediaSource;
  /** Called while the snapshot is held, when the rows are read. */
  readonly whileHeld?: (snapshotName: string) => Promise<void>;
  /** Small segments make many of them out of few rows. */
  readonly segmentBytes?: { readonly targetBytes: number; readonly minBytes: number; readonly maxBytes: number };
}

export async function makePlainBackup(options: PlainBackupOptions): Promise<Manifest> {
  const { url, catalogue, organizationId, vault, media } = options;
  const source = createPostgresSource({ url });
  try {
    const held = await source.holdSnapshot(catalogue.schemas, (schema) => planTenantClosure(schema, catalogue));
    const reader = await source.importSnapshot(held.reference);
    try {
      const packs = new PackWriter(vault);
      const tables: TableEntry[] = [];
      for (const table of held.closure.tables) tables.push(await storeTable(reader, table, packs, options));
      const files: MediaEntry[] = [];
      const missing: { path: string; table: string }[] = [];
      for (const { table, sql } of held.closure.mediaSql) {
        for (const { path } of await reader.query(sql, [organizationId])) {
          const entry =
            path === null || path === undefined || media === undefined ? null : await storeFile(media, path, packs);
          if (entry !== null) files.push(entry);
          else if (path) missing.push({ path, table });
        }
      }
      await packs.flush();
      await reader.assertIntact();
      await options.whileHeld?.(held.reference.name);
      const latest = await vault.latestManifest();
      const { name, lsn, takenAt, systemIdentifier, timeline, databaseName, serverVersion, oldestTransaction } =
        held.reference;
      const manifest: Manifest = {
        formatVersion,
        features: [],
        organizationId,
        backupId: randomUUID(),
        sequence: (latest?.manifest.sequence ?? 0) + 1,
        previousManifestHash: latest?.hash ?? null,
        createdAt: new Date().toISOString(),
        toolVersion: "test",
        snapshot: { name, lsn, takenAt, systemIdentifier, timeline, databaseName, serverVersion, oldestTransaction },
        catalogueName: catalogue.name,
        root: catalogue.root,
        schemaFingerprint: fingerprintSchema(held.schema),
        schema: held.schema,
        classifications: [...held.closure.classifications],
        tables,
        media: { files, missing },
        packs: packs.names,
        complete: missing.length === 0,
        foreignRows: [
          ...(await held.findForeignRows(organizationId, new Set(held.closure.tables.map((each) => each.table)))),
        ],
      };
      await vault.storeManifest(vault.sealManifest(manifest));
      return manifest;
    } finally {
      await reader.close();
      await held.release();
    }
  } finally {
    await source.close();
  }
}

async function storeTable(
  reader: SnapshotReader,
  table: ClosureTable,
  packs: PackWriter,
  { vault, organizationId, segmentBytes }: PlainBackupOptions,
): Promise<TableEntry> {
  const segmenter = new RowSegmenter({ seed: vault.cutSeed, keyColumnCount: table.keyColumnCount, ...segmentBytes });
  const segments: SegmentReference[] = [];
  const store = async ({ raw, rows }: { raw: Buffer; rows: number }): Promise<void> =>
    void segments.push(await packs.add("rows", raw, rows));
  for await (const chunk of reader.copyRows(table.rowsSql, organizationId)) {
    for (const segment of segmenter.push(chunk)) await store(segment);
  }
  for (const segment of segmenter.end()) await store(segment);
  const { rows, rawBytes, checksum } = segmenter;
  return {
    table: table.table,
    dataSet: table.dataSet ?? "",
    columns: [...table.columns],
    keyColumnCount: table.keyColumnCount,
    rows,
    rawBytes,
    checksum,
    segments,
    backupsSinceRead: 0,
  };
}

async function storeFile(media: MediaSource, path: string, packs: PackWriter): Promise<MediaEntry | null> {
  const file = await media.stat(path);
  if (file === null) return null;
  const raw = await media.read(path, { offset: 0, length: file.sizeBytes });
  const parts = raw.length === 0 ? [] : [await packs.add("file", raw, 0)];
  return {
    path,
    sizeBytes: raw.length,
    modifiedAt: file.modifiedAt,
    versionTag: file.versionTag,
    sha256: createHash("sha256").update(raw).digest("hex"),
    parts,
  };
}

/** Packs of a few segments each, so that tests have several to damage. */
class PackWriter {
  readonly names: { name: string; sizeBytes: number }[] = [];
  private readonly vault: OrganizationVault;
  private pending: { segment: CompressedSegment; reference: SegmentReference }[] = [];

  constructor(vault: OrganizationVault) {
    this.vault = vault;
  }

  async add(kind: "rows" | "file", raw: Buffer, rows: number): Promise<SegmentReference> {
    const id = this.vault.segmentId(raw);
    const reference: SegmentReference = {
      id,
      pack: this.names.length,
      offset: 0,
      length: 0,
      rawBytes: raw.length,
      rows,
    };
    this.pending.push({
      segment: { id, kind, rawBytes: raw.length, rows, compressed: compressSegment(raw) },
      reference,
    });
    if (this.pending.length === 8) await this.flush();
    return reference;
  }

  async flush(): Promise<void> {
    if (this.pending.length === 0) return;
    const pack = this.vault.sealPack(this.pending.map(({ segment }) => segment));
    await this.vault.storePack(pack);
    this.names.push({ name: pack.name, sizeBytes: pack.bytes.length });
    for (const [index, { reference }] of this.pending.entries()) {
      const { offset = 0, length = 0 } = pack.entries[index] ?? {};
      Object.assign(reference, { offset, length });
    }
    this.pending = [];
  }
}
