// One organization out of the repository into plain files: COPY text that psql loads, the SQL that makes the tables, and
// the media. The folder is there whole, everything proven, or not under its name. Nothing in it is encrypted any more: only
// its owner may read it.
import { rm, utimes } from "node:fs/promises";
import { join, resolve } from "node:path";
import { planRecoveryDdl } from "../domain/recovery-ddl.ts";
import { isDamage } from "../repository/damage.ts";
import type { Manifest, MediaEntry, TableEntry } from "../repository/manifest.ts";
import { readMediaFile, readTableRows } from "../repository/read-table.ts";
import { describeLostFile, salvageTableRows, type Loss } from "../repository/salvage.ts";
import type { OrganizationVault } from "../repository/vault.ts";
import { describeLoss } from "./describe-loss.ts";
import { FolderNames } from "./folder-names.ts";
import { writeLoadScript, writeSchemaScript, type LoadedTable } from "./load-script.ts";
import { fillFolder } from "./partial-folder.ts";
import { writePrivate, writeProven } from "./private-files.ts";
import { receiptName } from "./recovered-folder.ts";
import { neverInBackups, type RecoverProgress } from "./recover-progress.ts";

export interface FolderRecovery {
  readonly folder: string;
  readonly tables: number;
  readonly rows: number;
  readonly files: number;
  readonly bytes: number;
  readonly durationMs: number;
  /** What was not made again, each with its reason. */
  readonly leftOut: readonly string[];
  /** With `salvage`: what can't be read any more. */
  readonly lost: readonly Loss[];
}

interface RecoverInput {
  readonly vault: OrganizationVault;
  readonly manifest: Manifest;
  readonly targetDir: string;
  /** Leave out what is damaged, and say so, instead of recovering nothing. */
  readonly salvage?: boolean;
  readonly onProgress?: (progress: RecoverProgress) => void;
}

interface FolderWork extends RecoverInput {
  readonly partial: string;
  readonly names: FolderNames;
  /** Grows. */
  readonly lost: Loss[];
  readonly count: (phase: RecoverProgress["phase"], table: string) => (bytes: number) => void;
}

interface WrittenTable extends LoadedTable {
  readonly rows: number;
  readonly bytes: number;
  /** Null where rows of it are lost. */
  readonly checksum: string | null;
  readonly sha256: string;
}

interface WrittenFile {
  readonly path: string;
  /** Relative to the folder. */
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** Whoever opens the folder later must learn that it does not hold everything. */
const lossMark = "LOST.txt";

/** @throws RecoverTargetNotEmpty, RecoverTargetRefused, RecoverMismatch, and the store's and the repository's errors. */
export async function recoverToFolder(input: RecoverInput): Promise<FolderRecovery> {
  const startedMs = performance.now();
  const folder = resolve(input.targetDir);
  const written = await fillFolder(folder, (partial) => writeFolder(input, partial));
  return { folder, ...written, durationMs: Math.round(performance.now() - startedMs) };
}

async function writeFolder(
  input: RecoverInput,
  partial: string,
): Promise<Omit<FolderRecovery, "folder" | "durationMs">> {
  const { manifest, onProgress } = input;
  const plan = planRecoveryDdl(manifest.schema, manifest.tables);
  const totalBytes = [
    ...manifest.tables.map((table) => table.rawBytes),
    ...manifest.media.files.map((file) => file.sizeBytes),
  ].reduce((sum, each) => sum + each, 0);
  const seen = { rows: 0, bytes: 0 };
  const count: FolderWork["count"] = (phase, table) => (bytes) => {
    seen.bytes += bytes;
    onProgress?.({ phase, table, ...seen, totalBytes });
  };
  const work: FolderWork = { ...input, partial, names: new FolderNames(), lost: [], count };
  const tables: WrittenTable[] = [];
  for (const entry of manifest.tables) {
    const table = await writeTable(work, entry);
    seen.rows += table.rows;
    tables.push(table);
  }
  const files: WrittenFile[] = [];
  for (const entry of manifest.media.files) {
    const file = await writeMediaFile(work, entry);
    if (file !== null) files.push(file);
  }
  const leftOut = [...plan.leftOut, neverInBackups];
  const { lost } = work;
  if (lost.length > 0) await writePrivate(join(partial, lossMark), `${lost.map(describeLoss).join("\n")}\n`);
  await writePrivate(join(partial, "schema.sql"), writeSchemaScript(plan));
  await writePrivate(join(partial, "load.sql"), writeLoadScript(plan, tables));
  await writePrivate(join(partial, "manifest.json"), asJson(manifest));
  await writePrivate(
    join(partial, receiptName),
    asJson({ ...describeBackup(manifest), tables, files, missingFiles: manifest.media.missing, leftOut, lost }),
  );
  return { tables: tables.length, files: files.length, ...seen, leftOut, lost };
}

async function writeTable(work: FolderWork, entry: TableEntry): Promise<WrittenTable> {
  const { vault, manifest, salvage = false, partial, names, lost, count } = work;
  const { table, columns, rawBytes, checksum } = entry;
  const file = names.take(["tables", `${table}.copy`]);
  const losses = lost.length;
  const content = salvage
    ? salvageTableRows(vault, manifest, entry, (loss) => void lost.push(loss))
    : readTableRows(vault, manifest, entry);
  const isWhole = (): boolean => lost.length === losses;
  const { sha256, bytes } = await writeProven(
    join(partial, file),
    content,
    () => (isWhole() ? rawBytes : null),
    count("rows", table),
  );
  const rows = entry.rows - (isWhole() ? 0 : (lost.at(-1)?.rows ?? 0));
  return { table, file, columns, rows, bytes, checksum: isWhole() ? checksum : null, sha256 };
}

/** @returns null where it is lost. */
async function writeMediaFile(work: FolderWork, entry: MediaEntry): Promise<WrittenFile | null> {
  const { vault, manifest, salvage = false, partial, names, lost, count } = work;
  const { path, sizeBytes, sha256, modifiedAt } = entry;
  const file = names.take(["media", ...path.split("/")]);
  const content = readMediaFile(vault, manifest, entry);
  try {
    await writeProven(join(partial, file), content, () => sizeBytes, count("files", ""));
  } catch (error) {
    if (!salvage || !isDamage(error)) throw error;
    await rm(join(partial, file), { force: true });
    lost.push(await describeLostFile(vault, manifest, entry, error));
    return null;
  }
  const modified = new Date(modifiedAt);
  if (!Number.isNaN(modified.getTime())) await utimes(join(partial, file), modified, modified);
  return { path, file, bytes: sizeBytes, sha256 };
}

const asJson = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

const describeBackup = ({ organizationId, backupId, sequence, snapshot }: Manifest) => ({
  organizationId,
  backupId,
  sequence,
  takenAt: snapshot.takenAt,
  recoveredAt: new Date().toISOString(),
});
