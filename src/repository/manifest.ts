// The manifest of one backup: what was protected, of which moment, and where each byte of it lies. It alone is enough to
// restore. Written once; FORMAT.md says how it is sealed.
import { z } from "zod";
import type { SchemaDescription } from "../domain/schema.ts";
import type { TableClassification } from "../domain/catalogue.ts";

export const formatVersion = 1;

/** A table may be an earlier backup's segments and layers of changes on top. */
export const rowLayersFeature = "row-layers";

/** Features that this version can read. A manifest that names any other is refused. */
export const knownFeatures: readonly string[] = [rowLayersFeature];

const hex = (bytes: number) => z.string().regex(new RegExp(`^[0-9a-f]{${bytes * 2}}$`));
const count = z.number().int().nonnegative();
const isoTime = z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$/);

/** Where one segment lies. `pack` is an index into the manifest's packs. */
export const segmentReferenceSchema = z.strictObject({
  /** HMAC-SHA256(organization's id key, raw bytes): equal content within an organization has equal ids. */
  id: hex(32),
  pack: count,
  /** Position of the segment's frame in the pack's stored bytes, and the frame's whole length. */
  offset: count,
  length: count,
  rawBytes: count,
  /** Rows (or keys of removed rows) in the segment; 0 for parts of files. */
  rows: count,
});

/** What changed in a table since the segments and layers below: FORMAT.md, "Row layers". */
export const tableLayerSchema = z.strictObject({
  /** Rows that are new, or stand for the rows of the same key below. */
  rows: z.array(segmentReferenceSchema),
  /** Keys, as the first fields of COPY text, one a line, whose rows below are gone. */
  removed: z.array(segmentReferenceSchema),
});

export const tableEntrySchema = z.strictObject({
  table: z.string(),
  dataSet: z.string(),
  columns: z.array(z.string()),
  keyColumnCount: count,
  rows: count,
  rawBytes: count,
  /** Order-independent: the sum modulo 2^64 of XXH64(row line without its newline, seed 0). */
  checksum: hex(8),
  segments: z.array(segmentReferenceSchema),
  /** Lowest first; only with the feature "row-layers". `rows`, `rawBytes` and `checksum` are of the table as a whole. */
  layers: z.array(tableLayerSchema).optional(),
  /** How many backups ago the table was last read in full; 0 when this backup read it. */
  backupsSinceRead: count,
});

export const mediaEntrySchema = z.strictObject({
  path: z.string(),
  sizeBytes: count,
  modifiedAt: z.string(),
  versionTag: z.string(),
  /** SHA-256 over the file's bytes. */
  sha256: hex(32),
  parts: z.array(segmentReferenceSchema),
});

export const manifestSchema = z.strictObject({
  formatVersion: z.literal(formatVersion),
  features: z.array(z.string()),
  organizationId: z.string(),
  backupId: z.string(),
  /** 1 for an organization's first backup; each backup takes the next. */
  sequence: count.min(1),
  /** SHA-256 of the stored bytes of the manifest before this one; null for the first. */
  previousManifestHash: hex(32).nullable(),
  createdAt: isoTime,
  toolVersion: z.string(),
  snapshot: z.strictObject({
    name: z.string(),
    lsn: z.string().nullable(),
    takenAt: isoTime,
    systemIdentifier: z.string(),
    timeline: z.string(),
    databaseName: z.string(),
    serverVersion: z.string(),
    oldestTransaction: z.string(),
  }),
  catalogueName: z.string(),
  root: z.strictObject({ table: z.string(), key: z.string() }),
  schemaFingerprint: hex(32),
  schema: z.custom<SchemaDescription>((value) => typeof value === "object" && value !== null),
  classifications: z.array(z.custom<TableClassification>((value) => typeof value === "object" && value !== null)),
  tables: z.array(tableEntrySchema),
  media: z.strictObject({
    files: z.array(mediaEntrySchema),
    /** Files that rows name and the media source did not have. Not empty = the backup says that it is incomplete. */
    missing: z.array(z.strictObject({ path: z.string(), table: z.string() })),
  }),
  /** Every pack that a segment reference points into. Also in the object's clear header, for keyless verification. */
  packs: z.array(z.strictObject({ name: hex(32), sizeBytes: count })),
  complete: z.boolean(),
  /** Rows that point at another organization's, by foreign key: these keys can't be made again from this backup alone. */
  foreignRows: z
    .array(z.strictObject({ table: z.string(), key: z.string(), parent: z.string(), rows: count }))
    .optional(),
  /** Present when the backup was asked for some data sets only; absent = all of them. */
  dataSets: z.array(z.string()).optional(),
});

export type SegmentReference = z.infer<typeof segmentReferenceSchema>;
export type TableLayer = z.infer<typeof tableLayerSchema>;
export type TableEntry = z.infer<typeof tableEntrySchema>;
export type MediaEntry = z.infer<typeof mediaEntrySchema>;
export type Manifest = z.infer<typeof manifestSchema>;

/** Every segment that a table's rows come from. */
export const tableSegments = ({ segments, layers = [] }: TableEntry): SegmentReference[] => [
  ...segments,
  ...layers.flatMap((layer) => [...layer.rows, ...layer.removed]),
];
