// One organization out of the repository into plain files: COPY text that psql loads, the schema, and the media. Written
// under a name that says it is partial; it gets its own name when everything is proven.
import { createWriteStream } from "node:fs";
import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, normalize, resolve, sep } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { BackupError } from "../domain/errors.ts";
import { quoteIdentifier, quoteTable } from "../domain/sql-quoting.ts";
import { planRecoveryDdl } from "../domain/table-ddl.ts";
import type { Manifest } from "../repository/manifest.ts";
import { readMediaFile, readTableRows } from "../repository/read-table.ts";
import type { OrganizationVault } from "../repository/vault.ts";
import type { RecoverProgress } from "./recover-to-database.ts";

export interface FolderRecovery {
  readonly folder: string;
  readonly tables: number;
  readonly rows: number;
  readonly files: number;
  readonly bytes: number;
  readonly leftOut: readonly string[];
}

interface RecoverInput {
  readonly vault: OrganizationVault;
  readonly manifest: Manifest;
  readonly targetDir: string;
  readonly onProgress?: (progress: RecoverProgress) => void;
}

/** @throws RecoverTargetNotEmpty, RecoverMismatch, and the store's and the repository's errors. */
export async function recoverToFolder({ vault, manifest, targetDir, onProgress }: RecoverInput): Promise<FolderRecovery> {
  const target = resolve(targetDir);
  const partial = `${target}.partial`;
  await refuseIfNotEmpty(target);
  await rm(partial, { recursive: true, force: true }); // of an earlier try that failed
  await mkdir(join(partial, "tables"), { recursive: true, mode: 0o700 });
  const { before, after, leftOut } = planRecoveryDdl(manifest.schema, new Set(manifest.tables.map((table) => table.table)));
  let rows = 0;
  let bytes = 0;
  const loads: string[] = [];
  for (const [index, table] of manifest.tables.entries()) {
    // Numbered, because a table's name may hold anything, also a slash.
    const name = `${String(index + 1).padStart(3, "0")}-${table.table.replaceAll(/[^A-Za-z0-9._-]/g, "_")}.copy`;
    await writeStream(join(partial, "tables", name), readTableRows(vault, manifest, table));
    loads.push(`\\copy ${quoteTable(table.table)} (${table.columns.map(quoteIdentifier).join(", ")}) FROM 'tables/${name}'`);
    rows += table.rows;
    bytes += table.rawBytes;
    onProgress?.({ table: table.table, rows, bytes });
  }
  for (const file of manifest.media.files) {
    await writeStream(mediaPath(partial, file.path), readMediaFile(vault, manifest, file));
    bytes += file.sizeBytes;
    onProgress?.({ table: "files", rows, bytes });
  }
  const settings = ["SET client_encoding = 'UTF8';", "SET datestyle = 'ISO, MDY';", "SET check_function_bodies = off;"];
  const script = ["\\set ON_ERROR_STOP on", "BEGIN;", ...settings, ...before.map((sql) => `${sql};`), ...loads, ...after.map((sql) => `${sql};`), "COMMIT;", ""];
  await writePrivate(join(partial, "load.sql"), `-- In an empty database, from this folder: psql DATABASE -f load.sql\n${script.join("\n")}`);
  await writePrivate(join(partial, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  await rm(target, { recursive: true, force: true }); // an empty folder, at most: refuseIfNotEmpty
  await rename(partial, target);
  return { folder: target, tables: manifest.tables.length, rows, files: manifest.media.files.length, bytes, leftOut };
}

async function refuseIfNotEmpty(target: string): Promise<void> {
  try {
    if ((await readdir(target)).length === 0) return;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  throw new BackupError("RecoverTargetNotEmpty", `The folder ${target} is not empty. Name a new folder.`);
}

/** Paths come from an app's rows: they must not leave the folder. */
function mediaPath(root: string, path: string): string {
  const base = join(root, "media") + sep;
  const full = normalize(join(base, path));
  if (!full.startsWith(base)) throw new BackupError("RecoverMismatch", "A file's path leads out of the folder; it is not written.");
  return full;
}

async function writeStream(path: string, content: AsyncIterable<Buffer>): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await pipeline(Readable.from(content, { objectMode: false }), createWriteStream(path, { mode: 0o600, flags: "wx" }));
}

const writePrivate = (path: string, text: string): Promise<void> => writeFile(path, text, { mode: 0o600, flag: "wx" });
