// A restore by a role that may read and write the app's tables and nothing more: unless `mayRest`, it may not SET
// session_replication_role, so triggers fire and the database checks foreign keys, and cascades, itself.
import { createRestoreTarget } from "../../src/adapters/postgres/restore/restore-target.ts";
import type { RestoreFixture } from "./restore-fixture.ts";

export async function asPlainRole<T>(
  fixture: RestoreFixture,
  work: (plain: RestoreFixture) => Promise<T>,
  { mayRest = false } = {},
): Promise<T> {
  const role = `plain_${fixture.database.name}`;
  // It makes its own: one that another role made is that role's alone.
  await fixture.query("DROP SCHEMA IF EXISTS wedsync_restore CASCADE");
  await fixture.query(`CREATE ROLE ${role} LOGIN PASSWORD 'plain'`);
  await fixture.query(`GRANT CREATE ON DATABASE ${fixture.database.name} TO ${role}`);
  await fixture.query(`GRANT USAGE ON SCHEMA public TO ${role}`);
  await fixture.query(
    `GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role}; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO ${role}`,
  );
  if (mayRest) await fixture.query(`GRANT SET ON PARAMETER session_replication_role TO ${role}`);
  const url = new URL(fixture.database.url);
  url.username = role;
  url.password = "plain";
  try {
    return await work({ ...fixture, target: createRestoreTarget({ url: url.href }) });
  } finally {
    await fixture.query(`DROP OWNED BY ${role} CASCADE`);
    await fixture.query(`DROP ROLE ${role}`);
  }
}
