// What people call the organizations, for the operator's terminal only: names are personal data, and so never reach logs,
// workflow history or JSON output.
import { Client } from "pg";
import { quoteIdentifier, quoteTable } from "../domain/sql-quoting.ts";
import type { Session } from "./session.ts";

export type OrganizationNames = ReadonlyMap<string, string>;

const longest = 30;

/** Empty where the catalogue names no such column, or with --json. */
export async function nameOrganizations(session: Session): Promise<OrganizationNames> {
  const { root, organizationName } = await session.catalogue();
  if (organizationName === undefined || session.output.json) return new Map();
  const client = new Client({ connectionString: session.sourceUrl });
  client.on("error", () => {}); // shows itself with the query
  try {
    await client.connect();
    const { rows } = await client.query<{ id: string; name: string | null }>(
      `SELECT ${quoteIdentifier(root.key)}::text AS id, ${quoteIdentifier(organizationName)}::text AS name FROM ${quoteTable(root.table)}`,
    );
    return new Map(rows.flatMap(({ id, name }) => (name ? [[id, printable(name)] as const] : [])));
  } catch {
    session.output.say("the organizations' names can't be read; their ids are shown instead");
    return new Map();
  } finally {
    await client.end().catch(() => {}); // what was asked is answered already
  }
}

/** In full, to compare with what somebody typed; never shown. Null where there is none, or none can be read. */
export async function findOrganizationName(session: Session, organizationId: string): Promise<string | null> {
  const { root, organizationName } = await session.catalogue();
  if (organizationName === undefined) return null;
  const client = new Client({ connectionString: session.sourceUrl });
  client.on("error", () => {}); // shows itself with the query
  try {
    await client.connect();
    const { rows } = await client.query<{ name: string | null }>(
      `SELECT ${quoteIdentifier(organizationName)}::text AS name FROM ${quoteTable(root.table)} WHERE ${quoteIdentifier(root.key)}::text = $1`,
      [organizationId],
    );
    return rows[0]?.name ?? null;
  } catch {
    return null; // then the id alone will do
  } finally {
    await client.end().catch(() => {}); // what was asked is answered already
  }
}

/** A name may hold anything; a terminal must not obey it. */
function printable(name: string): string {
  const plain = name.replaceAll(/[\p{Cc}\p{Cf}]/gu, " ").trim();
  return plain.length <= longest ? plain : `${plain.slice(0, longest - 1)}…`;
}
