// Applies the control tables' migrations: to an empty database and to an older one, once, whoever comes first.
import { fileURLToPath } from "node:url";
import { runner } from "node-pg-migrate";
import { BackupError } from "../domain/errors.ts";
import { mapControlError } from "./map-control-error.ts";

/** @returns the names of the migrations that were applied now. */
export async function migrateControlTables(databaseUrl: string): Promise<readonly string[]> {
  try {
    const applied = await runner({
      databaseUrl,
      dir: fileURLToPath(new URL("./migrations", import.meta.url)),
      direction: "up",
      migrationsSchema: "backup",
      migrationsTable: "migrations",
      createMigrationsSchema: true,
      // Work that went on side by side has numbers side by side, and a lower one may come later. They don't build on one
      // another then; one that builds on another has the higher number.
      checkOrder: false,
      advisoryLockMode: "wait",
      log: () => {},
      verbose: false,
    });
    return applied.map((migration) => migration.name);
  } catch (error) {
    const mapped = mapControlError(error);
    throw mapped.code === "Internal"
      ? new BackupError(
          "MigrationFailed",
          "A migration of the schema `backup` failed; nothing of it was applied. The role needs CREATE on the database.",
          {},
          { cause: error },
        )
      : mapped;
  }
}
