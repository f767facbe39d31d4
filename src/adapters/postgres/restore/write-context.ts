// What all writes of one transaction share, and how triggers stand in it.
//
// replica mode (session_replication_role, where granted): no triggers, no cascades, no foreign-key checks; so foreign keys
// are proven by SQL (prove.ts), deferred unique and exclusion constraints too, and parents are locked as their triggers would have done.
// origin mode: parents first and children first, circles by NULL and fill-in, the database checks itself; a trigger that
// changes rows makes the proof fail, by name.
import type { Staging } from "../../../domain/restore/staging-names.ts";
import type { SchemaDescription } from "../../../domain/schema.ts";
import type { LiveFacts } from "./live-facts.ts";
import type { RestoreSession } from "./restore-session.ts";

export interface WriteContext {
  readonly session: RestoreSession;
  readonly staging: Staging;
  readonly liveSchema: SchemaDescription;
  readonly facts: LiveFacts;
  readonly mode: "replica" | "origin";
  /** As an SQL literal. */
  readonly restoreId: string;
}

/** Replica mode where the role may; the savepoint keeps the transaction when it may not. */
export async function chooseMode(session: RestoreSession): Promise<WriteContext["mode"]> {
  const doing = "asking for replica mode";
  await session.execute("SAVEPOINT mode", doing);
  try {
    await session.client.query("SET LOCAL session_replication_role = replica");
    await session.execute("RELEASE SAVEPOINT mode", doing);
    return "replica";
  } catch (error) {
    if ((error as { code?: string }).code !== "42501") throw error;
    await session.execute("ROLLBACK TO SAVEPOINT mode; RELEASE SAVEPOINT mode", doing);
    await session.execute("SET CONSTRAINTS ALL DEFERRED", doing);
    return "origin";
  }
}
