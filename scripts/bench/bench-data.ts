// The sample weddings that are measured, and changes to them.
import { Client } from "pg";
import { createSampleSchema, generateSampleWeddings, type SampleResult } from "../../src/samples/generate.ts";
import type { SampleSize } from "../../src/samples/sample-size.ts";
import type { fillBeforeIndexes } from "./fill-before-indexes.ts";

/** `around`: what surrounds the filling of the schema. */
export async function makeWeddings(
  url: string,
  size: SampleSize,
  mediaDir: string | null,
  around: typeof fillBeforeIndexes = (_, fill) => fill(),
): Promise<SampleResult> {
  await createSampleSchema(url);
  return await around(url, () => generateSampleWeddings({ ...size, databaseUrl: url, mediaDir, seed: 1 }));
}

/** One row in a hundred of the large tables, wherever it lies. */
const scattered = `
  UPDATE guests SET notes = 'changed in run ' || $2, updated_at = now() WHERE organization_id = $1 AND hashtextextended(id::text, $2) % 100 = 0;
  UPDATE messages SET body = body || ' (edited)' WHERE organization_id = $1 AND hashtextextended(id::text, $2) % 100 = 0;
  UPDATE timeline_events SET details = 'moved in run ' || $2 WHERE organization_id = $1 AND hashtextextended(id::text, $2) % 100 = 0;
  UPDATE rsvps r SET status = 'maybe' FROM guests g WHERE g.id = r.guest_id AND g.organization_id = $1 AND hashtextextended(g.id::text, $2) % 100 = 1`;

/** As many new rows, as an app writes them. */
const appended = `
  INSERT INTO messages SELECT gen_random_uuid(), organization_id, wedding_id, author, body, sent_at, metadata
    FROM messages WHERE organization_id = $1 AND hashtextextended(id::text, $2) % 100 = 2;
  INSERT INTO guests (id, organization_id, wedding_id, household_id, first_name, last_name, email, phone, preferences, notes, loyalty_points, created_at, updated_at)
    SELECT gen_random_uuid(), organization_id, wedding_id, household_id, first_name, last_name, email, phone, preferences, notes, loyalty_points, now(), now()
    FROM guests WHERE organization_id = $1 AND hashtextextended(id::text, $2) % 100 = 3`;

export async function changeOnePercent(
  url: string,
  organizationId: string,
  how: "scattered" | "appended",
  run: number,
): Promise<number> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    let rows = 0;
    await client.query("BEGIN");
    for (const statement of (how === "scattered" ? scattered : appended).split(";")) {
      const filled = statement
        .replaceAll("$1", () => client.escapeLiteral(organizationId))
        .replaceAll("$2", String(run));
      rows += (await client.query(filled)).rowCount ?? 0;
    }
    await client.query("COMMIT");
    return rows;
  } finally {
    await client.end();
  }
}
