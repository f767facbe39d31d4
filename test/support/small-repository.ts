// A small repository without any database: two organizations, four backups, rows with everything that COPY text escapes,
// files of several parts, segments shared between backups, one table in layers. Small enough that a test can flip every bit of it.
import { createHash } from "node:crypto";
import type { SchemaDescription } from "../../src/domain/schema.ts";
import type { ObjectStore } from "../../src/ports/object-store.ts";
import { compressSegment } from "../../src/repository/compression.ts";
import {
  formatVersion,
  rowLayersFeature,
  tableSegments,
  type Manifest,
  type MediaEntry,
  type SegmentReference,
  type TableEntry,
} from "../../src/repository/manifest.ts";
import { readMediaFile, readTableRows } from "../../src/repository/read-table.ts";
import { createOrOpenRepository, type Repository } from "../../src/repository/repository.ts";
import { RowSegmenter } from "../../src/repository/row-segmenter.ts";
import type { CompressedSegment } from "../../src/repository/pack.ts";
import type { OrganizationVault } from "../../src/repository/vault.ts";

export const firstOrganization = "7f6f1c1e-6f0a-4b0e-9d52-0f5f5f1b2a01";
/** An id that is a trap for paths, encodings and lists. */
export const secondOrganization = "../Zoë & Töchter/%2E";
export const smallKey = Buffer.alloc(32, 7).toString("base64");

/** Far below the format's sizes, so that a few rows make several segments; a reader does not care. */
const segmentBytes = { targetBytes: 400, minBytes: 100, maxBytes: 800 };
const partBytes = 300;

interface PlainTable {
  readonly keyColumnCount: number;
  readonly columns: readonly string[];
  /** As a reader gives them: of a layered table the layer's rows come first. */
  readonly rows: string;
  readonly layered?: { readonly below: string; readonly rows: string; readonly removed: string };
}

export interface PlainContent {
  readonly tables: Readonly<Record<string, PlainTable>>;
  readonly files: Readonly<Record<string, Buffer>>;
  readonly missing?: readonly string[];
}

export interface SmallRepository {
  readonly repository: Repository;
  readonly backups: readonly { organizationId: string; sequence: number; content: PlainContent }[];
}

const guests = (count: number, note: string): string =>
  Array.from({ length: count }, (_, index) => {
    const id = createHash("sha256").update(`guest ${index}`).digest("hex").slice(0, 16);
    return `${id}\tGuest ${index} Ångström\t${index % 3 === 0 ? "\\N" : `line one\\nline two\\t${index}`}\t${note}\n`;
  }).join("");
const tables = (count: number, note: string): PlainContent["tables"] => ({
  "public.organizations": { keyColumnCount: 1, columns: ["id", "name"], rows: `1\tS\\\\M \\"quoted\\" ${note}\n` },
  "public.guests": { keyColumnCount: 1, columns: ["id", "name", "diet", "note"], rows: guests(count, note) },
  "public.menus": { keyColumnCount: 2, columns: ["id", "day"], rows: "" },
  'odd."Ta ble"': { keyColumnCount: 0, columns: ["only"], rows: "\n\n\\N\nlast\n" },
});
/** Guest 1 changed, guest 2 was removed, guest 99 is new; the rest is as in the backup before. */
function layeredTables(): PlainContent["tables"] {
  const before = tables(19, "first");
  const below = guests(19, "first");
  const lines = below.split("\n");
  const keys = lines.map((line) => line.split("\t")[0] ?? "");
  const rows = `${keys[1]}\tchanged\t\\N\tlayer\nffff\tnew\t\\N\tlayer\n`;
  const kept = lines.filter((_, index) => index !== 1 && index !== 2).join("\n");
  const layered = { below, rows, removed: `${keys[2]}\nnever there\n` };
  return { ...before, "public.guests": { ...(before["public.guests"] as PlainTable), rows: rows + kept, layered } };
}
const noise = (seed: string, bytes: number): Buffer => {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes; at += 32) pieces.push(createHash("sha256").update(`${seed} ${at}`).digest());
  return Buffer.concat(pieces).subarray(0, bytes);
};

export async function makeSmallRepository(store: ObjectStore, keyText = smallKey): Promise<SmallRepository> {
  const repository = await createOrOpenRepository(store, keyText);
  const photo = noise("photo", 700);
  const contents: [string, PlainContent][] = [
    [
      firstOrganization,
      { tables: tables(18, "first"), files: { "photos/a.jpg": photo, "photos/empty.jpg": noise("", 0) } },
    ],
    [
      firstOrganization,
      { tables: tables(19, "first"), files: { "photos/a.jpg": photo }, missing: ["photos/gone.jpg"] },
    ],
    [firstOrganization, { tables: layeredTables(), files: { "photos/a.jpg": photo } }],
    [secondOrganization, { tables: tables(6, "second"), files: { "../ü.jpg": noise("other", 100) } }],
  ];
  const backups: { organizationId: string; sequence: number; content: PlainContent }[] = [];
  for (const [organizationId, content] of contents) {
    const vault = await repository.openVault(organizationId, { create: true });
    const { sequence } = await writeBackup(vault, content, backups.length);
    backups.push({ organizationId, sequence, content });
  }
  return { repository, backups };
}

export async function writeBackup(vault: OrganizationVault, content: PlainContent, number = 0): Promise<Manifest> {
  const latest = await vault.latestManifest();
  const packs = [...(latest?.manifest.packs ?? [])];
  const known = new Map<string, SegmentReference>();
  for (const entry of latest?.manifest.tables ?? []) for (const each of tableSegments(entry)) known.set(each.id, each);
  for (const entry of latest?.manifest.media.files ?? []) for (const each of entry.parts) known.set(each.id, each);
  let pending: CompressedSegment[] = [];
  const flush = async (): Promise<void> => {
    if (pending.length === 0) return;
    const pack = vault.sealPack(pending);
    await vault.storePack(pack);
    packs.push({ name: pack.name, sizeBytes: pack.bytes.length });
    for (const { id, offset, length, rawBytes, rows } of pack.entries)
      known.set(id, { id, pack: packs.length - 1, offset, length, rawBytes, rows });
    pending = [];
  };
  const ids = (kind: "rows" | "file", raws: readonly { raw: Buffer; rows: number }[]): string[] =>
    raws.map(({ raw, rows }) => {
      const id = vault.segmentId(raw);
      if (!known.has(id) && !pending.some((segment) => segment.id === id))
        pending.push({ id, kind, rows, rawBytes: raw.length, compressed: compressSegment(raw) });
      return id;
    });
  const located = (segmentIds: readonly string[]): SegmentReference[] =>
    segmentIds.map((id) => known.get(id) as SegmentReference);

  const entries: (Omit<TableEntry, "segments" | "layers"> & { ids: string[]; layerIds: string[][] })[] = [];
  for (const [table, { rows, keyColumnCount, columns, layered }] of Object.entries(content.tables)) {
    const cut = (text: string) => {
      const segmenter = new RowSegmenter({ seed: vault.cutSeed, keyColumnCount, ...segmentBytes });
      return { segments: [...segmenter.push(Buffer.from(text)), ...segmenter.end()], segmenter };
    };
    const { segments: whole, segmenter } = cut(rows);
    const { checksum, rawBytes } = segmenter;
    const segments = layered === undefined ? whole : cut(layered.below).segments;
    const changes = layered === undefined ? [] : [cut(layered.rows).segments, cut(layered.removed).segments];
    entries.push({
      table,
      dataSet: "core",
      columns: [...columns],
      keyColumnCount,
      rows: segmenter.rows,
      rawBytes,
      checksum,
      backupsSinceRead: 0,
      ids: ids("rows", segments),
      layerIds: changes.map((each) => ids("rows", each)),
    });
  }
  await flush();
  const files: (Omit<MediaEntry, "parts"> & { ids: string[] })[] = [];
  for (const [path, bytes] of Object.entries(content.files)) {
    const parts = [];
    for (let at = 0; at < bytes.length; at += partBytes)
      parts.push({ raw: bytes.subarray(at, at + partBytes), rows: 0 });
    files.push({
      path,
      sizeBytes: bytes.length,
      modifiedAt: "2026-01-02T03:04:05.000Z",
      versionTag: "1",
      sha256: createHash("sha256").update(bytes).digest("hex"),
      ids: ids("file", parts),
    });
  }
  await flush();
  const all = [...entries.flatMap((entry) => [entry.ids, ...entry.layerIds]), ...files.map((file) => file.ids)];
  const used = new Set(all.flatMap((segmentIds) => located(segmentIds).map((each) => each.pack)));
  const kept = [...used].sort((a, b) => a - b);
  const moved = (segmentIds: readonly string[]): SegmentReference[] =>
    located(segmentIds).map((each) => ({ ...each, pack: kept.indexOf(each.pack) }));
  const manifest: Manifest = {
    formatVersion,
    features: entries.some((entry) => entry.layerIds.length > 0) ? [rowLayersFeature] : [],
    organizationId: vault.organizationId,
    backupId: `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`,
    sequence: (latest?.manifest.sequence ?? 0) + 1,
    previousManifestHash: latest?.hash ?? null,
    createdAt: `2026-01-02T03:04:0${number}.000Z`,
    toolVersion: "test",
    snapshot: {
      name: "s",
      lsn: null,
      takenAt: "2026-01-02T03:04:05.678901Z",
      systemIdentifier: "1",
      timeline: "1",
      databaseName: "d",
      serverVersion: "18",
      oldestTransaction: "3",
    },
    catalogueName: "small",
    root: { table: "public.organizations", key: "id" },
    schemaFingerprint: "0".repeat(64),
    schema: emptySchema,
    classifications: [],
    tables: entries.map(({ ids: segmentIds, layerIds: [rows, removed], ...entry }) => ({
      ...entry,
      segments: moved(segmentIds),
      ...(rows === undefined ? {} : { layers: [{ rows: moved(rows), removed: moved(removed ?? []) }] }),
    })),
    media: {
      files: files.map(({ ids: segmentIds, ...entry }) => ({ ...entry, parts: moved(segmentIds) })),
      missing: (content.missing ?? []).map((path) => ({ path, table: "public.guests" })),
    },
    packs: kept.map((index) => packs[index] as { name: string; sizeBytes: number }),
    complete: (content.missing ?? []).length === 0,
  };
  await vault.storeManifest(vault.sealManifest(manifest));
  return manifest;
}

const emptySchema: SchemaDescription = {
  tables: [],
  enums: [],
  domains: [],
  sequences: [],
  extensions: [],
  supportingSql: [],
};

/** Everything that a manifest names, read as a recovery reads it. */
export async function readEverything(vault: OrganizationVault, manifest: Manifest): Promise<Record<string, Buffer>> {
  const content: Record<string, Buffer> = {};
  for (const table of manifest.tables) content[table.table] = await collect(readTableRows(vault, manifest, table));
  for (const file of manifest.media.files) content[file.path] = await collect(readMediaFile(vault, manifest, file));
  return content;
}

async function collect(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const chunk of chunks) pieces.push(chunk);
  return Buffer.concat(pieces);
}

export function expectedContent({ tables: rows, files }: PlainContent): Record<string, Buffer> {
  return {
    ...Object.fromEntries(Object.entries(rows).map(([name, table]) => [name, Buffer.from(table.rows)])),
    ...files,
  };
}
