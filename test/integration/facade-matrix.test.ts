// Every endpoint × every role × own and foreign organization, generated from the list of endpoints: a new endpoint is in
// here by itself. Beside each answer stands what the database itself shows a session of that organization.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import request from "supertest";
import { requestVerification } from "../../src/client/start-verification.ts";
import { verifyAuditLog } from "../../src/control/audit-chain.ts";
import { mayDo, roles, type Role } from "../../src/domain/authorization.ts";
import { signTicket } from "../../src/facade/download-ticket.ts";
import { endpoints } from "../../src/facade/endpoints.ts";
import type { Endpoint } from "../../src/facade/endpoint.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { createFacadeRig, type FacadeRig } from "../support/facade-rig.ts";
import { makePlainBackup } from "../support/plain-backup.ts";
import { readPdf } from "../support/read-pdf.ts";

let rig: BackupRig;
let facade: FacadeRig;
let own: string;
let foreign: string;
let backupId: string;
const policyId = randomUUID();
const triggerId = randomUUID();
const restoreId = randomUUID();
const channelId = randomUUID();
const verificationId = randomUUID();
let ticket: string;
let cells = 0;

beforeAll(async () => {
  rig = await createBackupRig(); // no worker: nothing that is started here needs to run
  facade = await createFacadeRig(rig);
  [own = "", foreign = ""] = rig.organizationIds;
  const vault = await rig.repository.openVault(own, { create: true });
  const { url } = rig.database;
  const manifest = await makePlainBackup({
    url,
    catalogue: rig.catalogue,
    organizationId: own,
    vault,
    media: rig.media,
  });
  ({ backupId } = manifest);
  const objectKey = "repository";
  const expiresAtMs = Date.now() + 3_600_000;
  ticket = signTicket(facade.dependencies.signingKey, { organizationId: own, objectKey, expiresAtMs });
  await rig.control.query(
    `INSERT INTO backup.backup_jobs (id, organization_id, trigger, requested_by, status, workflow_id, proof, sequence, manifest_hash, finished_at)
     VALUES ($1, $2, 'manual', 'test', 'completed', $3, 'content', $4, 'x', now())`,
    [backupId, own, `backup/${own}`, manifest.sequence],
  );
  await requestVerification(rig.client, {
    verificationId,
    organizationId: own,
    choice: { by: "latest" },
    level: "integrity",
    requestedBy: "test",
  });
  await rig.control.query(
    `INSERT INTO backup.backup_triggers (id, organization_id, proof, run_at, purpose, requested_by, workflow_id)
     VALUES ($1, $2, 'content', now(), 'test', 'test', 'backup-trigger/none')`,
    [triggerId, own],
  );
  await rig.control.query(
    `INSERT INTO backup.backup_restores (id, organization_id, target_organization_id, workflow_id, requested_by, choice, strategy, live_only, status)
     VALUES ($1, $2, $2, 'restore/none', 'test', '{"by":"latest"}', 'overwrite', 'keep', 'applied')`,
    [restoreId, own],
  );
});

afterAll(async () => {
  await facade?.close();
  await rig?.close();
});

const future = (): string => new Date(Date.now() + 3_600_000).toISOString();

/** A body that is well formed, for each endpoint that has one. */
const bodies: Readonly<Record<string, () => object>> = {
  createPolicy: () => ({ name: `policy ${randomUUID()}`, cron: "0 2 * * *" }),
  replacePolicy: () => ({ name: "nightly", cron: "0 3 * * *" }),
  createNotificationChannel: () => ({ name: `channel ${randomUUID()}`, email: { to: ["ops@example.org"] } }),
  changeNotificationSecret: () => ({ overlapHours: 1 }),
  startBackup: () => ({}),
  triggerBackup: () => ({ at: future() }),
  placeLegalHold: () => ({ reason: "a test" }),
  startDownload: () => ({ purpose: "a test" }),
  orderErasure: () => ({ confirmation: own, purpose: "a test" }),
  startVerification: () => ({}),
  startRestore: () => ({ purpose: "a test" }),
  approveRestore: () => ({ purpose: "a test" }),
  decideRestore: () => ({ rest: { decision: "keep live" } }),
  rollBackRestore: () => ({ purpose: "a test" }),
};

const queries: Readonly<Record<string, object>> = {
  previewSchedule: { cron: "0 2 * * *" },
  readRestoreRows: { purpose: "a test" },
};

/** Where a right request is still refused, because of what there is to do it to. */
const refusals: Readonly<Record<string, readonly [number, string]>> = {
  cancelJob: [409, "JobFinished"],
  cancelTrigger: [409, "JobFinished"],
  readRestoreRows: [409, "RestoreNotWaiting"],
  approveRestore: [404, "RestoreNotFound"],
  decideRestore: [404, "RestoreNotFound"],
  finishDryRun: [404, "RestoreNotFound"],
  cancelRestore: [409, "JobFinished"],
};

const tableOf: Readonly<Record<string, string>> = {
  policyId: "backup_policies",
  jobId: "backup_jobs",
  backupId: "backup_jobs",
  triggerId: "backup_triggers",
  restoreId: "backup_restores",
  channelId: "notification_channels",
};

const idOf = (name: string): string =>
  ({
    policyId,
    jobId: backupId,
    backupId,
    triggerId,
    restoreId,
    verificationId,
    channelId,
    ticket,
    organizationId: own,
  })[name] ?? "";
const paramsOf = (endpoint: Endpoint): string[] => Object.keys(endpoint.params?.shape ?? {});

/** As an address of `own`'s things. */
const pathOf = (endpoint: Endpoint): string =>
  endpoint.path.replaceAll(/\{(\w+)\}/g, (_whole, name: string) => encodeURIComponent(idOf(name)));

async function send(endpoint: Endpoint, authorization: Record<string, string>, named: string | null) {
  const takesQuery = endpoint.query !== undefined && "organizationId" in endpoint.query.shape;
  const takesBody = endpoint.body !== undefined && "organizationId" in endpoint.body.shape;
  const query = {
    ...(named !== null && takesQuery && !takesBody ? { organizationId: named } : {}),
    ...queries[endpoint.id],
  };
  const sent = request(facade.url)[endpoint.method](pathOf(endpoint)).set(authorization).query(query);
  const body = bodies[endpoint.id]?.();
  const answer = await (body === undefined
    ? sent
    : sent.send({ ...body, ...(named !== null && takesBody ? { organizationId: named } : {}) }));
  cells += 1;
  return { answer, couldName: takesQuery || takesBody };
}

/** What row-level security itself shows a session of that organization of the thing in the path. */
async function isVisible(endpoint: Endpoint, organizationId: string): Promise<boolean> {
  for (const name of paramsOf(endpoint)) {
    const table = tableOf[name];
    if (table === undefined) continue;
    const binding = { organizationId, platform: false, actor: "matrix", role: "viewer" };
    const rows = await facade.dependencies.sessions.run(binding, (bound) =>
      bound.query(`SELECT id FROM backup.${table} WHERE id = $1`, [idOf(name)]),
    );
    if (rows.length === 0) return false;
  }
  return true;
}

async function freshPolicy(): Promise<void> {
  await rig.control.query(
    `WITH channel AS (
       INSERT INTO backup.notification_channels (id, organization_id, name, kind, events, shown, requested_by)
       VALUES ($1, $2, 'ops', 'webhook', '{backup.failed}', 'https://hooks.example.org/…', 'test') ON CONFLICT DO NOTHING RETURNING id
     ) INSERT INTO backup.notification_targets (channel_id, target_sealed) SELECT id, 'sealed' FROM channel`,
    [channelId, own],
  );
  await rig.control.query(
    `INSERT INTO backup.backup_policies (id, organization_id, name, cron) VALUES ($1, $2, 'nightly', '0 2 * * *')
     ON CONFLICT (id) DO UPDATE SET paused = false`,
    [policyId, own],
  );
}

function assertDone(endpoint: Endpoint, status: number, code: string | undefined): void {
  const [refusedWith, refusedAs] = refusals[endpoint.id] ?? [endpoint.success.status, undefined];
  expect({ id: endpoint.id, status, code }).toEqual({ id: endpoint.id, status: refusedWith, code: refusedAs });
}

describe.each(endpoints.map((endpoint) => [`${endpoint.method.toUpperCase()} ${endpoint.path}`, endpoint] as const))(
  "%s",
  (_name, endpoint) => {
    test("needs a token", async () => {
      const { answer } = await send(endpoint, {}, null);
      expect([answer.status, answer.body.code]).toEqual([401, "Unauthenticated"]);
    });

    test.each(roles.filter((role) => role !== "platform"))("as %s", async (role: Role) => {
      await freshPolicy();
      const mine = await facade.as(role, own);
      const theirs = await facade.as(role, foreign);
      const may = mayDo(role, endpoint.action);

      // What is not one's own first: it must still be there afterwards.
      expect(await isVisible(endpoint, foreign)).toBe(paramsOf(endpoint).every((name) => tableOf[name] === undefined));
      const other = await send(endpoint, theirs, null);
      if (!may) expect([other.answer.status, other.answer.body.code]).toEqual([403, "Forbidden"]);
      else if (paramsOf(endpoint).length > 0) expect(other.answer.status).toBe(404);
      else expect(other.answer.status).toBe(endpoint.success.status);
      // Nothing of `own` is told: no id of a thing, no organization's id that the caller did not send itself.
      // (The audit log does tell the caller which addresses it asked for.)
      const { body, text } = other.answer;
      const told = (Buffer.isBuffer(body) ? (await readPdf(body)).join("\n") : text)
        .replaceAll(pathOf(endpoint), "")
        .replaceAll(/"subject":"(GET|POST|PUT|DELETE) [^"]*"/g, "");
      for (const secret of [own, backupId, policyId, triggerId, restoreId, channelId])
        if (!paramsOf(endpoint).some((name) => idOf(name) === secret)) expect(told).not.toContain(secret);

      const { answer: naming, couldName } = await send(endpoint, theirs, own);
      if (couldName) expect(naming.status).toBe(may ? 404 : 403);

      expect(await isVisible(endpoint, own)).toBe(true);
      const { answer } = await send(endpoint, mine, null);
      if (may) assertDone(endpoint, answer.status, answer.body.code as string | undefined);
      else expect([answer.status, answer.body.code]).toEqual([403, "Forbidden"]);
    });

    test("as platform", async () => {
      await freshPolicy();
      const platform = await facade.as("platform", null);
      const { answer } = await send(endpoint, platform, own);
      if (mayDo("platform", endpoint.action))
        assertDone(endpoint, answer.status, answer.body.code as string | undefined);
      else expect([answer.status, answer.body.code]).toEqual([403, "Forbidden"]);
    });
  },
);

test("all of it is in the audit log, which is whole", async () => {
  const report = await verifyAuditLog(rig.control);
  expect(report.problems).toEqual([]);
  const [row] = await rig.control.query<{ requests: number }>(
    "SELECT count(DISTINCT request_id)::integer AS requests FROM backup.audit_log WHERE request_id IS NOT NULL",
  );
  expect(row?.requests).toBe(cells);
});
