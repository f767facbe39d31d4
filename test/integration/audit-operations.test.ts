// Everything that is done is in the audit log, also by workflows and at the command line; and what can't be written down
// there is not done.
import { randomBytes } from "node:crypto";
import { userInfo } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { verifyAuditLog } from "../../src/control/audit-chain.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { createCommandLine } from "../support/command-line.ts";

const person = `cli:${userInfo().username}`;
const nowhere = { BACKUP_SOURCE_DATABASE_URL: "postgres://a:b@127.0.0.1:1/none" };
let rig: BackupRig;
let commands: ReturnType<typeof createCommandLine>;
let organizationId: string;

beforeAll(async () => {
  rig = await createBackupRig();
  await rig.startWorker();
  [organizationId = ""] = rig.organizationIds;
  commands = createCommandLine({
    BACKUP_SOURCE_DATABASE_URL: rig.database.url,
    BACKUP_MEDIA_URL: rig.mediaDir,
    BACKUP_STORAGE_BUCKET: rig.storeDir,
    BACKUP_ENCRYPTION_KEY: rig.key,
    BACKUP_DATA_DIR: join(rig.folder, "data"),
    BACKUP_AUTH_SECRET: randomBytes(32).toString("hex"),
    TEMPORAL_ADDRESS: rig.temporal.address,
    TEMPORAL_NAMESPACE: rig.temporal.namespace,
  });
});

afterAll(async () => {
  await rig?.close();
});

interface Entry {
  readonly actor: string;
  readonly action: string;
  readonly outcome: string;
  readonly details: Readonly<Record<string, unknown>>;
}

const entriesOf = (actions: string): Promise<Entry[]> =>
  rig.control.query<Entry>(
    "SELECT actor, action, outcome, details FROM backup.audit_log WHERE organization_id = $1 AND action ~ $2 ORDER BY position",
    [organizationId, actions],
  );
const told = (entries: readonly Entry[]) => entries.map(({ actor, action, outcome }) => [actor, action, outcome]);

test("a backup, a verification and a restore: that each began, and how it ended", async () => {
  expect((await commands.json(["backup", "-o", organizationId])).code).toBe(0);
  expect((await commands.json(["verify", "latest", "-o", organizationId, "--level", "consistency"])).code).toBe(0);
  const restored = await commands.json(["restore", "-o", organizationId, "--dry-run"]);
  expect(restored.code).toBe(0);
  const entries = await entriesOf("^(cli[.]|(backup|verification|restore)[.]run$)");
  expect(told(entries).filter(([, action]) => action?.startsWith("cli."))).toEqual([
    [person, "cli.backup", "allowed"],
    [person, "cli.backup", "done"],
    [person, "cli.verify", "allowed"],
    [person, "cli.verify", "done"],
    [person, "cli.restore", "allowed"],
    [person, "cli.restore", "done"],
  ]);
  expect(told(await entriesOf("^(backup|restore)[.]run$"))).toEqual([
    [person, "backup.run", "allowed"],
    [person, "backup.run", "done"],
    [person, "restore.run", "allowed"],
    [person, "restore.run", "done"],
  ]);
  const proofs = await entriesOf("^verification[.]run$");
  expect(proofs.map(({ outcome, details }) => [outcome, details["level"]])).toEqual([
    ["done", "content"],
    ["done", "consistency"],
  ]);
});

test("what needs the bucket and the key alone is written down where there is a log, and done without one", async () => {
  const recover = ["recover", "latest", "-o", organizationId, "--to"];
  expect((await commands.json([...recover, join(rig.folder, "one")])).code).toBe(0);
  expect((await commands.json(["keys", "verification", "-o", organizationId])).code).toBe(0);
  expect((await commands.json(["recover", "7", "-o", organizationId, "--to", join(rig.folder, "none")])).code).toBe(1);
  expect(told(await entriesOf("^cli[.](recover|keys)"))).toEqual([
    [person, "cli.recover", "allowed"],
    [person, "cli.recover", "done"],
    [person, "cli.keys.verification", "allowed"],
    [person, "cli.keys.verification", "done"],
    [person, "cli.recover", "allowed"],
    [person, "cli.recover", "failed"],
  ]);
  const alone = await commands.run([...recover, join(rig.folder, "two")], nowhere);
  expect([alone.code, alone.stderr]).toEqual([0, expect.stringContaining("not in the audit log")]);
  // A token opens doors, and can wait.
  const token = await commands.json(["token", "-o", organizationId], nowhere);
  expect(token).toMatchObject({ code: 75, json: { error: { code: "AuditUnavailable" } } });
});

test("what can't be written down is not done, by nobody", async () => {
  await rig.database.query(
    `CREATE FUNCTION public.no_more() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'full'; END $$;
     CREATE TRIGGER no_more BEFORE INSERT ON backup.audit_log FOR EACH ROW EXECUTE FUNCTION public.no_more()`,
  );
  const policy = ["policy", "create", "-o", organizationId, "--cron", "0 2 * * *"];
  expect(await commands.json(policy)).toMatchObject({ code: 75, json: { error: { code: "AuditUnavailable" } } });
  expect(await rig.control.query("SELECT FROM backup.backup_policies")).toEqual([]);
  await expect(rig.backUp(organizationId)).rejects.toThrow();
  const [jobs] = await rig.control.query("SELECT count(*)::int AS count FROM backup.backup_jobs");
  expect(jobs).toEqual({ count: 1 });
  await rig.database.query("DROP FUNCTION public.no_more() CASCADE");
  expect((await verifyAuditLog(rig.control)).problems).toEqual([]);
});
