// Selection by data set. The root's own row always comes along: the other rows hang on it.
import type { ClosureTable, TenantClosure } from "../src/domain/catalogue.ts";
import { BackupError } from "../src/domain/errors.ts";

export function chooseTables(closure: TenantClosure, dataSets: readonly string[] | null): readonly ClosureTable[] {
  if (dataSets === null) return closure.tables;
  const known = new Set(closure.catalogue.dataSets.map((dataSet) => dataSet.name));
  const unknown = dataSets.filter((name) => !known.has(name));
  if (unknown.length > 0) {
    throw new BackupError(
      "UsageInvalid",
      `No such data set: ${unknown.join(", ")}. There are: ${[...known].join(", ")}.`,
    );
  }
  return closure.tables.filter(
    (table) => table.role === "root" || (table.dataSet !== null && dataSets.includes(table.dataSet)),
  );
}
