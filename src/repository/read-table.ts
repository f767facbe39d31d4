// A table's rows, or a file's bytes, out of the store; proven against the manifest as they pass.
import { createHash } from "node:crypto";
import { BackupError } from "../domain/errors.ts";
import { readLayeredRows } from "./read-layers.ts";
import type { Manifest, MediaEntry, SegmentReference, TableEntry } from "./manifest.ts";
import { RowProof } from "./row-proof.ts";
import type { OrganizationVault } from "./vault.ts";

/** Segments fetched ahead of the reader, together about so many stored bytes. */
const readAheadBytes = 8 * 1024 * 1024;

/** COPY text, whole rows at a time, in no promised order. @throws RecoverMismatch at the end unless rows, bytes and checksum are the manifest's. */
export async function* readTableRows(
  vault: OrganizationVault,
  manifest: Manifest,
  table: TableEntry,
): AsyncGenerator<Buffer> {
  const proof = new RowProof();
  const readSegments = (references: readonly SegmentReference[]) => readSegmentsInOrder(vault, manifest, references);
  for await (const raw of readLayeredRows(table, readSegments)) {
    proof.push(raw);
    yield raw;
  }
  if (!proof.proves(table)) {
    throw new BackupError("RecoverMismatch", `The rows of ${table.table} are not the ones that were backed up.`, {
      table: table.table,
      rows: proof.rows,
      expectedRows: table.rows,
    });
  }
}

/** @throws RecoverMismatch at the end unless size and SHA-256 are the manifest's. */
export async function* readMediaFile(
  vault: OrganizationVault,
  manifest: Manifest,
  entry: MediaEntry,
): AsyncGenerator<Buffer> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  for await (const raw of readSegmentsInOrder(vault, manifest, entry.parts)) {
    hash.update(raw);
    sizeBytes += raw.length;
    yield raw;
  }
  if (sizeBytes !== entry.sizeBytes || hash.digest("hex") !== entry.sha256) {
    throw new BackupError("RecoverMismatch", `The file ${entry.path} is not the one that was backed up.`, {
      sizeBytes,
      expectedBytes: entry.sizeBytes,
    });
  }
}

interface Run {
  readonly packName: string;
  readonly references: SegmentReference[];
}

/** Neighbours in one pack are read together; the next run is fetched while the reader works on this one. */
export async function* readSegmentsInOrder(
  vault: OrganizationVault,
  manifest: Pick<Manifest, "packs">,
  references: readonly SegmentReference[],
): AsyncGenerator<Buffer> {
  const runs = planRuns(manifest, references);
  let ahead: Promise<Buffer[]> | null = null;
  for (const [index, run] of runs.entries()) {
    const current: Promise<Buffer[]> = ahead ?? vault.readSegments(run.packName, run.references);
    const next = runs[index + 1];
    const segments = await current;
    ahead = next === undefined ? null : vault.readSegments(next.packName, next.references);
    ahead?.catch(() => {}); // awaited in the next turn; the reader may stop before that
    yield* segments;
  }
}

function planRuns(manifest: Pick<Manifest, "packs">, references: readonly SegmentReference[]): Run[] {
  const runs: Run[] = [];
  let bytes = 0;
  for (const reference of references) {
    const pack = manifest.packs[reference.pack];
    if (pack === undefined)
      throw new BackupError("ObjectCorrupt", "A manifest names a segment of a pack that it does not list.");
    const run = runs.at(-1);
    const last = run?.references.at(-1);
    const follows = run?.packName === pack.name && last !== undefined && last.offset + last.length === reference.offset;
    if (run !== undefined && follows && bytes + reference.length <= readAheadBytes) {
      run.references.push(reference);
      bytes += reference.length;
    } else {
      runs.push({ packName: pack.name, references: [reference] });
      bytes = reference.length;
    }
  }
  return runs;
}
