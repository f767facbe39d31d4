// A role that row-level security or missing rights keep from rows: the run ends at once with the reason, whichever of the
// backup's connections meets it first, and leaves nothing.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createPostgresSource } from "../../src/adapters/postgres/postgres-source.ts";
import type { SourceDatabase } from "../../src/ports/source-database.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";

const role = () => `reader_${rig.database.name}`;
let rig: BackupRig;
let source: SourceDatabase;
let backedUp: string;
let never: string;

beforeAll(async () => {
  rig = await createBackupRig();
  [backedUp = "", never = ""] = rig.organizationIds;
  await rig.database.query(`CREATE ROLE ${role()} LOGIN PASSWORD 'reader'`);
  await rig.database.query(
    `GRANT USAGE ON SCHEMA public TO ${role()}; GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role()}; GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO ${role()}`,
  );
  const url = new URL(rig.database.url);
  url.username = role();
  url.password = "reader";
  source = createPostgresSource({ url: url.href });
  await rig.startWorker({ source });
  await rig.backUp(backedUp);
});
afterAll(async () => {
  await source?.close();
  await rig?.database.query(`DROP OWNED BY ${role()}; DROP ROLE ${role()}`);
  await rig?.close();
});

// Photos are read last: by then the look for rows that point elsewhere was refused, beside the reading, and has taken the
// snapshot with it.
const hidden = ["organizations", "guests", "photos"];

test.each(hidden)("row-level security on %s is named, in a first backup and in a later one", async (table) => {
  await rig.database.query(`ALTER TABLE public.${table} ENABLE ROW LEVEL SECURITY`);
  try {
    for (const organizationId of [never, backedUp]) {
      const startedMs = performance.now();
      await expect(rig.backUp(organizationId)).rejects.toMatchObject({
        code: "RowSecurityActive",
        message: expect.stringContaining(
          `row-level security policy for table "${table}". Give the backup role BYPASSRLS`,
        ),
      });
      expect(performance.now() - startedMs).toBeLessThan(20_000); // tried again, it would be the same
    }
  } finally {
    await rig.database.query(`ALTER TABLE public.${table} DISABLE ROW LEVEL SECURITY`);
  }
  // A key may be there, once the organization was found; nothing else is.
  for await (const { key } of rig.store.list(`organizations/${never}/`)) expect(key).toContain("/keys/");
});

test("a right that is missing on one table is named, and with it given again backups go on", async () => {
  await rig.database.query(`REVOKE SELECT ON public.guests FROM ${role()}`);
  await expect(rig.backUp(backedUp)).rejects.toMatchObject({
    code: "SourceAccessDenied",
    message: expect.stringMatching(/permission denied for table guests\. Grant the backup role/),
  });
  await rig.database.query(`GRANT SELECT ON public.guests TO ${role()}`);
  expect(await rig.backUp(backedUp)).toMatchObject({ status: "completed", sequence: 2 });
});
