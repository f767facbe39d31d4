// Consistency: the backup agrees with itself. Everything of "content", and: every foreign key between tables of the backup
// finds its row there (but for rows that the manifest says point at another organization's), the organization's own row
// is there, and keys that others refer to are there once.
//
// Keys are told by 52-bit hashes in sorted arrays: 8 bytes a row, so that an organization of 10 million rows fits. Two keys
// that share a hash could hide a missing row; among 10 million rows the chance is one in a hundred million.
import { typeOf } from "../domain/column-facts.ts";
import type { ForeignKey, TableDescription } from "../domain/schema.ts";
import type { Manifest, TableEntry } from "./manifest.ts";
import { ProvingReader } from "./proving-reader.ts";
import { readMediaFile, readTableRows } from "./read-table.ts";
import { HashList, hashFields } from "./key-hashes.ts";
import { countSegments, type ContentReport } from "./verify-content.ts";
import type { OrganizationVault } from "./vault.ts";

export interface ConsistencyReport extends ContentReport {
  readonly foreignKeys: number;
  /** Foreign keys that could not be compared, each with the reason. */
  readonly notes: readonly string[];
}

interface CheckedKey {
  readonly table: TableEntry;
  readonly key: ForeignKey;
  readonly columns: readonly number[];
  readonly found: HashList;
}

export async function verifyConsistency(
  vault: OrganizationVault,
  manifest: Manifest,
  onProgress?: (progress: { bytes: number }) => void,
): Promise<ConsistencyReport> {
  const reader = new ProvingReader(onProgress);
  const { problems } = reader;
  const notes: string[] = [];
  const plan = planKeys(manifest, notes);
  let rows = 0;
  const damaged = new Set<string>();

  for (const entry of manifest.tables) {
    const parents = [...plan.parents.values()].filter((parent) => parent.table === entry.table);
    const children = plan.children.filter((child) => child.table === entry);
    const isWhole = await reader.read(entry.table, readTableRows(vault, manifest, entry), (raw) => {
      for (const { columns, found } of [...parents, ...children]) hashFields(raw, columns, found);
    });
    if (isWhole) rows += entry.rows;
    else damaged.add(entry.table);
  }
  for (const file of manifest.media.files) await reader.read(file.path, readMediaFile(vault, manifest, file));

  const root = manifest.tables.find((entry) => entry.table === manifest.root.table);
  if (root !== undefined && root.rows !== 1)
    problems.push({
      key: root.table,
      code: "BackupUnproven",
      message: `the organization's own row is there ${root.rows} times`,
    });
  for (const { found, table, isPrimary } of plan.parents.values()) {
    const doubles = found.sort();
    if (isPrimary && doubles > 0 && !damaged.has(table))
      problems.push({ key: table, code: "BackupUnproven", message: `${doubles} rows share a primary key` });
  }
  for (const { table, key, found } of plan.children) {
    const parent = plan.parents.get(parentName(key));
    if (parent === undefined || damaged.has(table.table) || damaged.has(key.referencedTable)) continue;
    const orphans = found.countMissingFrom(parent.found);
    const known = (manifest.foreignRows ?? [])
      .filter((each) => each.table === table.table && each.key === key.name)
      .reduce((sum, each) => sum + each.rows, 0);
    if (orphans > known)
      problems.push({
        key: `${table.table} (${key.name})`,
        code: "BackupUnproven",
        message: `${orphans - known} rows point at rows of ${key.referencedTable} that are not in the backup`,
      });
  }
  return {
    segments: countSegments(manifest),
    bytes: reader.bytes,
    rows,
    problems,
    foreignKeys: plan.children.length,
    notes,
  };
}

const parentName = (key: ForeignKey): string => JSON.stringify([key.referencedTable, key.referencedColumns]);

/** Types whose equal values can print differently: 1.0 and 1, "Ada" and "ada". */
const loosePrinting = /^(numeric|citext|public\.citext|real|double precision|character|bpchar|interval)\b/;

function planKeys(manifest: Manifest, notes: string[]) {
  const described = new Map(manifest.schema.tables.map((table) => [table.name, table]));
  const stored = new Map(manifest.tables.map((entry) => [entry.table, entry]));
  const parents = new Map<string, { table: string; columns: number[]; found: HashList; isPrimary: boolean }>();
  const children: CheckedKey[] = [];
  for (const entry of manifest.tables) {
    const table = described.get(entry.table);
    for (const key of table?.foreignKeys ?? []) {
      const parent = stored.get(key.referencedTable);
      const parentTable = described.get(key.referencedTable);
      if (table === undefined || parent === undefined || parentTable === undefined) continue;
      const reason = whyNotCompared(table, parentTable, key, entry, parent);
      if (reason !== null) {
        notes.push(`${entry.table} (${key.name}): ${reason}`);
        continue;
      }
      const name = parentName(key);
      if (!parents.has(name))
        parents.set(name, {
          table: parent.table,
          columns: key.referencedColumns.map((column) => parent.columns.indexOf(column)),
          found: new HashList(parent.rows),
          isPrimary: key.referencedColumns.join() === parentTable.primaryKey.join(),
        });
      const columns = key.columns.map((column) => entry.columns.indexOf(column));
      children.push({ table: entry, key, columns, found: new HashList(entry.rows) });
    }
  }
  return { parents, children };
}

function whyNotCompared(
  table: TableDescription,
  parentTable: TableDescription,
  key: ForeignKey,
  entry: TableEntry,
  parent: TableEntry,
): string | null {
  for (const [index, column] of key.columns.entries()) {
    const referenced = key.referencedColumns[index] ?? "";
    if (!entry.columns.includes(column) || !parent.columns.includes(referenced)) return "a column of it is not stored";
    const [type, parentType] = [typeOf(table, column), typeOf(parentTable, referenced)];
    if (type === undefined || type !== parentType) return "its columns are of different types";
    if (loosePrinting.test(type)) return `equal values of ${type} can print differently`;
  }
  return null;
}
