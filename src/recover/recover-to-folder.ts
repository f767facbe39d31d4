// One organization out of the repository into plain files: COPY text that psql loads, the SQL that makes the tables, and
// the media. Written beside the target under a name that says it is partial; it gets its own name when everything is
// proven. Nothing in it is encrypted any more: only its owner may read it.
import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { access, mkdir, readdir, rename, rm, rmdir, stat, utimes, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { BackupError } from "../domain/errors.ts";
import { planRecoveryDdl } from "../domain/table-ddl.ts";
import { isDamage } from "../repository/damage.ts";
import type { Manifest } from "../repository/manifest.ts";
import { readMediaFile, readTableRows } from "../repository/read-table.ts";
import { describeLostFile, salvageTableRows, type Loss } from "../repository/salvage.ts";
import type { OrganizationVault } from "../repository/vault.ts";
import { FolderNames } from "./folder-names.ts";
import { writeLoadScript, writeSchemaScript } from "./load-script.ts";
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

/** Says that a folder was begun by us; it is the last thing that goes before the folder gets its name. */
const incompleteMark = "INCOMPLETE.txt";
/** Whoever opens the folder later must learn that it does not hold everything. */
const lossMark = "LOST.txt";

/** @throws RecoverTargetNotEmpty, RecoverTargetRefused, RecoverMismatch, and the store's and the repository's errors. */
export async function recoverToFolder(input: RecoverInput): Promise<FolderRecovery> {
  const target = resolve(input.targetDir);
  const partial = `${target}.partial`;
  let begun = false;
  try {
    await refuseIfNotEmpty(target);
    await makePartial(partial);
    begun = true;
    const recovery = await writeFolder(input, target, partial);
    await rm(join(partial, incompleteMark));
    await rmdir(target).catch(ignoreMissing);
    await rename(partial, target);
    return recovery;
  } catch (error) {
    const failure = mapFileError(error, target);
    if (!begun) throw failure;
    const message = `${failure.message} What was written until then is in ${partial}; it is not complete.`;
    throw new BackupError(failure.code, message, { ...failure.details, incompleteFolder: partial }, { cause: error });
  }
}

async function writeFolder(
  { vault, manifest, salvage = false, onProgress }: RecoverInput,
  target: string,
  partial: string,
): Promise<FolderRecovery> {
  const startedMs = performance.now();
  const plan = planRecoveryDdl(manifest.schema, manifest.tables);
  const totalBytes = [
    ...manifest.tables.map((table) => table.rawBytes),
    ...manifest.media.files.map((file) => file.sizeBytes),
  ].reduce((sum, each) => sum + each, 0);
  const seen = { rows: 0, bytes: 0 };
  const count = (phase: RecoverProgress["phase"], table: string) => (bytes: number) => {
    seen.bytes += bytes;
    onProgress?.({ phase, table, ...seen, totalBytes });
  };
  const names = new FolderNames();
  const tables = [];
  const lost: Loss[] = [];
  for (const entry of manifest.tables) {
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
    seen.rows += rows;
    tables.push({ table, file, columns, rows, bytes, checksum: isWhole() ? checksum : null, sha256 });
  }
  const files = [];
  for (const entry of manifest.media.files) {
    const { path, sizeBytes, sha256, modifiedAt } = entry;
    const file = names.take(["media", ...path.split("/")]);
    const content = readMediaFile(vault, manifest, entry);
    try {
      await writeProven(join(partial, file), content, () => sizeBytes, count("files", ""));
    } catch (error) {
      if (!salvage || !isDamage(error)) throw error;
      await rm(join(partial, file), { force: true });
      lost.push(await describeLostFile(vault, manifest, entry, error));
      continue;
    }
    const modified = new Date(modifiedAt);
    if (!Number.isNaN(modified.getTime())) await utimes(join(partial, file), modified, modified);
    files.push({ path, file, bytes: sizeBytes, sha256 });
  }
  const leftOut = [...plan.leftOut, neverInBackups];
  const { organizationId, backupId, sequence, snapshot } = manifest;
  const receipt = {
    organizationId,
    backupId,
    sequence,
    takenAt: snapshot.takenAt,
    recoveredAt: new Date().toISOString(),
    tables,
    files,
    missingFiles: manifest.media.missing,
    leftOut,
    lost,
  };
  if (lost.length > 0) await writePrivate(join(partial, lossMark), `${lost.map(describeLoss).join("\n")}\n`);
  await writePrivate(join(partial, "schema.sql"), writeSchemaScript(plan));
  await writePrivate(join(partial, "load.sql"), writeLoadScript(plan, tables));
  await writePrivate(join(partial, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  await writePrivate(join(partial, "recovered.json"), `${JSON.stringify(receipt, null, 2)}\n`);
  return {
    folder: target,
    tables: tables.length,
    files: files.length,
    ...seen,
    durationMs: Math.round(performance.now() - startedMs),
    leftOut,
    lost,
  };
}

export function describeLoss({ kind, name, rows, ofRows, segments, ofSegments, code, heldBy }: Loss): string {
  const what = kind === "file" ? `the file ${name}` : `${rows} of ${ofRows} rows of ${name}`;
  const why = kind === "file" ? code : `${segments} of ${ofSegments} segments, ${code}`;
  const where =
    heldBy === null
      ? "no other backup has it whole"
      : `backup ${heldBy.sequence} has it whole, as of ${heldBy.takenAt.slice(0, 19).replace("T", " ")} UTC`;
  return `LOST: ${what} (${why}); ${where}`;
}

/** The content is proven by its reader; here that all of it reached the file. `expectedBytes` is asked at the end. */
async function writeProven(
  path: string,
  content: AsyncIterable<Buffer>,
  expectedBytes: () => number | null,
  onBytes: (bytes: number) => void,
): Promise<{ readonly sha256: string; readonly bytes: number }> {
  const hash = createHash("sha256");
  let bytes = 0;
  const hashed = async function* (): AsyncGenerator<Buffer> {
    for await (const raw of content) {
      hash.update(raw);
      bytes += raw.length;
      onBytes(raw.length);
      yield raw;
    }
  };
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await pipeline(
    Readable.from(hashed(), { objectMode: false }),
    createWriteStream(path, { mode: 0o600, flags: "wx", flush: true }),
  );
  const { size } = await stat(path);
  const expected = expectedBytes() ?? bytes;
  if (size !== expected)
    throw new BackupError("RecoverMismatch", `${basename(path)} has ${size} bytes on the disk instead of ${expected}.`);
  return { sha256: hash.digest("hex"), bytes };
}

const writePrivate = (path: string, text: string): Promise<void> =>
  writeFile(path, text, { mode: 0o600, flag: "wx", flush: true });

async function refuseIfNotEmpty(target: string): Promise<void> {
  const found = await readdir(target).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    if (error.code === "ENOTDIR") return [basename(target)];
    throw error;
  });
  if (found.length > 0)
    throw new BackupError("RecoverTargetNotEmpty", `The folder ${target} is not empty. Name a new folder.`);
}

/** What an earlier try left is ours to remove; anything else of that name is not. */
async function makePartial(partial: string): Promise<void> {
  const isOurs = await access(join(partial, incompleteMark)).then(
    () => true,
    () => false,
  );
  if (isOurs) await rm(partial, { recursive: true });
  await mkdir(dirname(partial), { recursive: true });
  await mkdir(partial, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
    throw new BackupError(
      "RecoverTargetNotEmpty",
      `${partial} is in the way, and was not made by a recovery. Name another folder.`,
    );
  });
  await writePrivate(
    join(partial, incompleteMark),
    "A recovery was begun here and did not end. Do not use these files; recover again.\n",
  );
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}

function mapFileError(error: unknown, target: string): BackupError {
  if (error instanceof BackupError) return error;
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code === undefined)
    return new BackupError(
      "Internal",
      `Recovering into ${target} failed for a reason that has no name.`,
      {},
      { cause: error },
    );
  return new BackupError(
    "RecoverTargetRefused",
    `The folder ${target} can't be written (${code}${syscall === undefined ? "" : ` at ${syscall}`}).`,
    { reason: code },
    { cause: error },
  );
}
