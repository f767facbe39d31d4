// Everything that is done is in the audit log, also by workflows and at the command line; and what can't be written down
// there is not done.
import { randomBytes, randomUUID } from "node:crypto";
import { userInfo } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { followRestore, followRollback, requestRollback } from "../../src/client/start-restore.ts";
import { verifyAuditLog } from "../../src/control/audit-chain.ts";
import { setDependencies } from "../../src/control/policy-dependencies.ts";
import { taskQueues } from "../../src/domain/backup-request.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { createCommandLine } from "../support/command-line.ts";
import { orderRestore } from "../support/order-restore.ts";
import { environmentOf } from "../support/rig-environment.ts";
import { keepPolicy } from "../support/policies.ts";

const person = `cli:${userInfo().username}`;
const nowhere = { BACKUP_SOURCE_DATABASE_URL: "postgres://a:b@127.0.0.1:1/none" };
let rig: BackupRig;
let commands: ReturnType<typeof createCommandLine>;
let organizationId: string;

beforeAll(async () => {
  rig = await createBackupRig();
  await rig.startWorker();
  [organizationId = ""] = rig.organizationIds;
  commands = createCommandLine({ ...environmentOf(rig), BACKUP_AUTH_SECRET: randomBytes(32).toString("hex") });
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

test("a run of a policy that began no backup, with why", async () => {
  const erased = rig.organizationIds[1] as string;
  const make = (name: string, organization = organizationId) => keepPolicy(rig.control, organization, { name });
  const run = async (policyId: string, organization = organizationId): Promise<unknown> =>
    await rig.client.workflow
      .execute("runBackupPolicy", {
        workflowId: `test-policy/${randomUUID()}`,
        taskQueue: taskQueues.control,
        args: [{ policyId, organizationId: organization }],
      })
      .catch(() => "failed");
  const [before, after, gone] = [await make("before"), await make("after"), randomUUID()];
  await setDependencies(rig.control, after.id, [before.id]);
  await rig.control.query(
    `INSERT INTO backup.backup_jobs (id, organization_id, policy_id, trigger, requested_by, status, workflow_id, proof, finished_at)
     VALUES (gen_random_uuid(), $1, $2, 'schedule', 'test', 'failed', 'none', 'none', now())`,
    [organizationId, before.id],
  );
  expect(await run(gone)).toMatchObject({ ran: false });
  expect(await run(after.id)).toBe("failed");
  await rig.control.query(
    `INSERT INTO backup.backup_leases (organization_id, operation, holder, fencing_token, expires_at)
     VALUES ($1, 'restore', gen_random_uuid(), nextval('backup.fencing_tokens'), now() + interval '1 hour')`,
    [organizationId],
  );
  expect(await run(before.id)).toBe("failed");
  await rig.control.query("DELETE FROM backup.backup_leases");
  const late = await make("late", erased);
  await rig.control.query(
    "INSERT INTO backup.backup_erasures (id, organization_id, status, requested_by) VALUES (gen_random_uuid(), $1, 'erased', 'test')",
    [erased],
  );
  expect(await run(late.id, erased)).toBe("failed");
  const skipped = await rig.control.query(
    "SELECT organization_id, actor, outcome, details ->> 'code' AS code FROM backup.audit_log WHERE action = 'policy.run' ORDER BY at, position",
  );
  const entry = (actor: string, code: string, organization = organizationId) => ({
    organization_id: organization,
    actor,
    outcome: "refused",
    code,
  });
  expect(skipped).toEqual([
    entry(gone, "PolicyNotFound"),
    entry(after.id, "PrerequisiteFailed"),
    entry(before.id, "OrganizationBusy"),
    entry(late.id, "OrganizationErased", erased),
  ]);
  await rig.control.query("DELETE FROM backup.backup_policies");
});

test("a rollback that is refused, with why; one that is done has no such entry", async () => {
  await rig.database.query("UPDATE guests SET notes = 'spoilt' WHERE organization_id = $1", [organizationId]);
  const order = await orderRestore(rig, { organizationId, requestedBy: "ada" });
  expect(await followRestore(rig.client, order)).toMatchObject({ status: "applied" });
  await rig.database.query("UPDATE guests SET notes = 'newer' WHERE organization_id = $1", [organizationId]);
  const rollback = { restoreId: order.restoreId, organizationId, partial: false, requestedBy: "ada" };
  await requestRollback(rig.client, rollback);
  await expect(followRollback(rig.client, rollback)).rejects.toMatchObject({ code: "RollbackRefused" });
  const refused = [["ada", "restore.rollback", "refused"]];
  const entries = await entriesOf("^restore[.]rollback$");
  expect([told(entries), entries[0]?.details]).toEqual([refused, { code: "RollbackRefused" }]);
  await requestRollback(rig.client, { ...rollback, partial: true });
  await followRollback(rig.client, rollback);
  expect(told(await entriesOf("^restore[.]rollback$"))).toEqual([...refused, ["ada", "restore.rollback", "done"]]);
});

test("what can't be written down is not done, by nobody", async () => {
  await rig.database.query(
    `CREATE FUNCTION public.no_more() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'full'; END $$;
     CREATE TRIGGER no_more BEFORE INSERT ON backup.audit_log FOR EACH ROW EXECUTE FUNCTION public.no_more()`,
  );
  const jobs = () => rig.control.query("SELECT id, status FROM backup.backup_jobs ORDER BY id");
  const before = await jobs();
  const policy = ["policy", "create", "-o", organizationId, "--cron", "0 2 * * *"];
  expect(await commands.json(policy)).toMatchObject({ code: 75, json: { error: { code: "AuditUnavailable" } } });
  expect(await rig.control.query("SELECT FROM backup.backup_policies")).toEqual([]);
  await expect(rig.backUp(organizationId)).rejects.toThrow();
  expect(await jobs()).toEqual(before);
  await rig.database.query("DROP FUNCTION public.no_more() CASCADE");
  expect((await verifyAuditLog(rig.control)).problems).toEqual([]);
});
