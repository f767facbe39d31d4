// A table's rows, or a file's bytes, out of the store; proven against the manifest as they pass.
import { createHash } from "node:crypto";
import { setImmediate as turnOfEventLoop } from "node:timers/promises";
import { BackupError } from "../domain/errors.ts";
import { readLayeredRows } from "./read-layers.ts";
import type { Manifest, MediaEntry, SegmentReference, TableEntry } from "./manifest.ts";
import { RowProof } from "./row-proof.ts";
import type { OrganizationVault } from "./vault.ts";

/** Stored bytes of one read. Rows shrink to a fifth, so three runs in work hold about 20 MB; a restore reads two tables at a time. */
const runBytes = 1024 * 1024;
/** Runs begun before the reader needs them: one is fetched while the other is decrypted and decompressed. */
const runsAhead = 2;

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

/**
 * Neighbours in one pack are read together. What has arrived must be handed on at once, and the reader works without
 * a pause where its segments are there: so it lets the event loop turn before each run, or one core would stand still.
 */
export async function* readSegmentsInOrder(
  vault: OrganizationVault,
  manifest: Pick<Manifest, "packs">,
  references: readonly SegmentReference[],
): AsyncGenerator<Buffer> {
  const runs = planRuns(manifest, references);
  const begun: Promise<Promise<Buffer>[]>[] = [];
  const begin = (run: Run | undefined): void => {
    if (run === undefined) return;
    const segments = vault.beginSegments(run.packName, run.references);
    segments.catch(() => {}); // awaited in its turn; the reader may stop before that
    begun.push(segments);
  };
  for (const run of runs.slice(0, runsAhead)) begin(run);
  for (let index = runsAhead; begun.length > 0; index++) {
    begin(runs[index]);
    const segments = await (begun.shift() as Promise<Promise<Buffer>[]>);
    await turnOfEventLoop();
    while (segments.length > 0) yield await (segments.shift() as Promise<Buffer>);
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
    if (run !== undefined && follows && bytes + reference.length <= runBytes) {
      run.references.push(reference);
      bytes += reference.length;
    } else {
      runs.push({ packName: pack.name, references: [reference] });
      bytes = reference.length;
    }
  }
  return runs;
}
