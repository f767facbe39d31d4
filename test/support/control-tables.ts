// The control tables alone, for tests of what they say: no worker, no source, no store.
import { openControlDatabase, type ControlDatabase } from "../../src/control/control-database.ts";
import { createLedgers } from "../../src/control/ledgers.ts";
import { migrateControlTables } from "../../src/control/migrate.ts";
import { createTestDatabase, type TestDatabase } from "./test-database.ts";

export interface ControlTables {
  readonly database: TestDatabase;
  readonly owner: ControlDatabase;
  readonly ledgers: ReturnType<typeof createLedgers>;
}

/** Close `owner`, then drop `database`. */
export async function createControlTables(): Promise<ControlTables> {
  const database = await createTestDatabase();
  await migrateControlTables(database.url);
  const owner = openControlDatabase(database.url);
  return { database, owner, ledgers: createLedgers(owner) };
}
