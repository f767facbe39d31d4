// What people call the organizations, for the operator's terminal only: names are personal data, and so never reach logs,
// workflow history or JSON output.
import { Client } from "pg";
import { quoteIdentifier, quoteTable } from "../domain/sql-quoting.ts";
import { printable } from "./printable.ts";
import type { Session } from "./session.ts";

export type OrganizationNames = ReadonlyMap<string, string>;

const longest = 30;

/** Empty where the catalogue names no such column, or with --json. */
export async function nameOrganizations(session: Session): Promise<OrganizationNames> {
  if (session.output.json) return new Map();
  const names = await readNames(session, null);
  if (names === "unreadable") {
    session.output.say("the organizations' names can't be read; their ids are shown instead");
    return new Map();
  }
  return new Map([...names].map(([id, name]) => [id, printable(name.trim(), longest)]));
}

/** In full, to compare with what somebody typed; never shown. Null where there is none, or none can be read. */
export async function findOrganizationName(session: Session, organizationId: string): Promise<string | null> {
  const names = await readNames(session, organizationId);
  return names === "unreadable" ? null : (names.get(organizationId) ?? null); // then the id alone will do
}

/** Of one organization, or of all for null. */
async function readNames(session: Session, organizationId: string | null): Promise<OrganizationNames | "unreadable"> {
  const { root, organizationName } = await session.catalogue();
  if (organizationName === undefined) return new Map();
  const client = new Client({ connectionString: session.sourceUrl });
  client.on("error", () => {}); // shows itself with the query
  const id = `${quoteIdentifier(root.key)}::text`;
  try {
    await client.connect();
    const { rows } = await client.query<{ id: string; name: string | null }>(
      `SELECT ${id} AS id, ${quoteIdentifier(organizationName)}::text AS name FROM ${quoteTable(root.table)}
       ${organizationId === null ? "" : `WHERE ${id} = $1`}`,
      organizationId === null ? [] : [organizationId],
    );
    return new Map(rows.flatMap(({ id: key, name }) => (name ? [[key, name] as const] : [])));
  } catch {
    return "unreadable";
  } finally {
    await client.end().catch(() => {}); // what was asked is answered already
  }
}
