// What can still be had of a backup in which something is damaged or missing: every segment that proves itself, and for the
// rest its name, how much it is, and which other backup has it whole.
//
// What must hold: a row that comes out is a row of the backup. Of a table in layers, a layer that can't be read may have
// changed or removed any row below it, so such a table counts as lost.
import { BackupError, type ErrorCode } from "../domain/errors.ts";
import { isDamage } from "./damage.ts";
import { tableSegments, type Manifest, type SegmentReference, type TableEntry } from "./manifest.ts";
import { readLayeredRows } from "./read-layers.ts";
import { readMediaFile, readTableRows } from "./read-table.ts";
import { RowProof } from "./row-proof.ts";
import type { OrganizationVault } from "./vault.ts";

export interface Loss {
  readonly kind: "table" | "file";
  readonly name: string;
  /** Of a table: rows that did not come back, and how many it had. */
  readonly rows: number;
  readonly ofRows: number;
  /** Segments that can't be read, of all. */
  readonly segments: number;
  readonly ofSegments: number;
  /** What is wrong with the first of them. */
  readonly code: ErrorCode;
  /** The newest other backup that has all of it, proven by reading it; null = none has. */
  readonly heldBy: { readonly sequence: number; readonly takenAt: string } | null;
}

interface Damage {
  readonly segments: Set<SegmentReference>;
  code: ErrorCode | null;
}

/** Rows as readTableRows() gives them, without what can't be read; that is told at the end. */
export async function* salvageTableRows(
  vault: OrganizationVault,
  manifest: Manifest,
  table: TableEntry,
  onLoss: (loss: Loss) => void,
): AsyncGenerator<Buffer> {
  const damage: Damage = { segments: new Set(), code: null };
  const readWhole = (references: readonly SegmentReference[]) => readEach(vault, manifest, references, damage);
  for (const { rows, removed } of table.layers ?? []) for await (const _ of readWhole([...rows, ...removed])); // only whether they can be read
  const proof = new RowProof();
  let rows = 0;
  if (damage.code === null)
    for await (const raw of readLayeredRows(table, readWhole)) {
      proof.push(raw);
      rows += countLines(raw);
      yield raw;
    }
  if (damage.code === null && proof.proves(table)) return;
  onLoss({
    kind: "table",
    name: table.table,
    rows: table.rows - rows,
    ofRows: table.rows,
    segments: damage.segments.size,
    ofSegments: tableSegments(table).length,
    code: damage.code ?? "RecoverMismatch",
    heldBy: await findHolder(vault, manifest, "table", table.table),
  });
}

/** A file is whole or lost. */
export async function describeLostFile(
  vault: OrganizationVault,
  manifest: Manifest,
  { path, parts }: Manifest["media"]["files"][number],
  error: BackupError,
): Promise<Loss> {
  const [segments, ofSegments] = [parts.length, parts.length];
  const heldBy = await findHolder(vault, manifest, "file", path);
  return { kind: "file", name: path, rows: 0, ofRows: 0, segments, ofSegments, code: error.code, heldBy };
}

async function* readEach(
  vault: OrganizationVault,
  { packs }: Manifest,
  references: readonly SegmentReference[],
  damage: Damage,
): AsyncGenerator<Buffer> {
  for (const reference of references) {
    try {
      const pack = packs[reference.pack];
      if (pack === undefined) throw new BackupError("ObjectCorrupt", "A manifest names a pack that it does not list.");
      yield await vault.readSegment(pack.name, reference);
    } catch (error) {
      if (!isDamage(error)) throw error;
      damage.segments.add(reference);
      damage.code ??= error.code;
    }
  }
}

function countLines(rows: Buffer): number {
  let count = 0;
  for (let at = rows.indexOf(10); at >= 0; at = rows.indexOf(10, at + 1)) count += 1;
  return count;
}

async function findHolder(
  vault: OrganizationVault,
  damaged: Manifest,
  kind: Loss["kind"],
  name: string,
): Promise<Loss["heldBy"]> {
  const headers = await vault.listManifests({ onDamaged: () => {} }); // one more that can't help
  for (const { sequence } of headers.toReversed()) {
    if (sequence === damaged.sequence) continue;
    try {
      const { manifest } = await vault.readManifest(sequence);
      const table = manifest.tables.find((each) => each.table === name);
      const file = manifest.media.files.find(({ path }) => path === name);
      const content =
        kind === "table"
          ? table && readTableRows(vault, manifest, table)
          : file && readMediaFile(vault, manifest, file);
      if (content === undefined) continue;
      for await (const _ of content); // its reader proves it
      return { sequence, takenAt: manifest.snapshot.takenAt };
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
  }
  return null;
}
