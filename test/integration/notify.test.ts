// Notifications from the end of a job to somebody else's server: real Temporal, real control tables, a real receiver.
import { randomBytes, randomUUID } from "node:crypto";
import { cp } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import { Client } from "pg";
import request from "supertest";
import { createNotificationSender } from "../../src/adapters/notification/notification-sender.ts";
import { ensureOverdueWatch, overdueScheduleId } from "../../src/client/start-notification.ts";
import { createNotificationLedger } from "../../src/control/notification-ledger.ts";
import { changeSecret, resealChannels } from "../../src/control/notification-secrets.ts";
import { createChannel, listDeliveries, testAnyChannel, type Delivery } from "../../src/control/notifications.ts";
import { readSealedTarget } from "../../src/control/restores.ts";
import {
  channelSecretPurpose,
  channelTargetPurpose,
  openText,
  restoreTargetPurpose,
  sealText,
} from "../../src/crypto/sealed-text.ts";
import { createWebhookSecret } from "../../src/crypto/webhook-signature.ts";
import {
  notificationEventNames,
  notifyWorkflowId,
  type ChannelTarget,
  type NotificationEvent,
} from "../../src/domain/notification.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { createCommandLine } from "../support/command-line.ts";
import { startChildWorker } from "../support/child-worker.ts";
import { eventually } from "../support/eventually.ts";
import { createFacadeRig, type FacadeRig } from "../support/facade-rig.ts";
import { textsIn } from "../support/texts-in.ts";
import {
  isGenuine,
  startWebhookReceiver,
  takes,
  type Received,
  type WebhookReceiver,
} from "../support/webhook-receiver.ts";
import { environmentOf } from "../support/rig-environment.ts";

const secret = createWebhookSecret();
let rig: BackupRig;
let facade: FacadeRig;
let receiver: WebhookReceiver;
let own: string;
let foreign: string;

beforeAll(async () => {
  rig = await createBackupRig();
  facade = await createFacadeRig(rig);
  receiver = await startWebhookReceiver();
  [own = "", foreign = ""] = rig.organizationIds;
  const webhook = { allowedHosts: [receiver.host], timeoutMs: 5_000 };
  await rig.startWorker({ sender: createNotificationSender({ webhook, mail: null }) });
});

afterEach(async () => {
  receiver.answer = takes;
  receiver.received.length = 0;
  await rig.control.query("DELETE FROM backup.notification_channels");
});

afterAll(async () => {
  await facade?.close();
  await rig?.close();
  await receiver?.close();
});

async function addChannel(
  events: readonly NotificationEvent[],
  target: ChannelTarget = { kind: "webhook", url: receiver.url, secret },
): Promise<string> {
  const id = randomUUID();
  const sealed = await sealText(rig.key, channelTargetPurpose(id), JSON.stringify(target));
  const channel = { id, organizationId: own, name: id, kind: target.kind, events, shown: "shown", requestedBy: "test" };
  await createChannel(rig.control, channel, sealed);
  return id;
}

const deliveriesOf = (channelId: string): Promise<Delivery[]> =>
  listDeliveries(rig.control, { organizationId: own, channelId, limit: 50 });

/** Waits until every delivery of the channel, and at least `count`, are over. */
const settled = (channelId: string, count = 1): Promise<Delivery[]> =>
  eventually(`${count} deliveries of ${channelId}`, async () => {
    const all = await deliveriesOf(channelId);
    return all.length >= count && all.every(({ status }) => status === "delivered" || status === "failed") && all;
  });

describe("a backup", () => {
  test("that ends well is told, signed, with counts and ids alone; nothing of the target is in history", async () => {
    const channel = await addChannel(["backup.completed"]);
    const outcome = await rig.backUp(own);
    const [delivery] = await settled(channel);
    expect(delivery).toMatchObject({
      event: "backup.completed",
      status: "delivered",
      attempts: 1,
      subjectId: outcome.backupId,
      error: null,
    });
    const [received] = receiver.received;
    expect(received !== undefined && isGenuine(received, secret)).toBe(true);
    const { type, data } = JSON.parse(received?.body ?? "{}") as { type: string; data: Record<string, unknown> };
    expect(type).toBe("backup.completed");
    expect(data).toMatchObject({
      organizationId: own,
      subjectId: outcome.backupId,
      sequence: outcome.sequence,
      rows: outcome.rows,
    });

    const workflowId = notifyWorkflowId({ organizationId: own, deliveryId: delivery?.id ?? "" });
    const plain = textsIn(await rig.client.workflow.getHandle(workflowId).fetchHistory());
    expect(plain).toContain(channel); // so the search does find what is there
    for (const planted of [secret, secret.slice(6), "a-secret-in-the-url", receiver.host]) {
      expect(plain).not.toContain(planted);
      expect(rig.logLines.join("\n")).not.toContain(planted);
    }
  });

  test("of somebody else, and an event that nobody asked for, are not told", async () => {
    const channel = await addChannel(["backup.failed"]);
    await rig.backUp(own);
    await rig.backUp(foreign);
    expect(await deliveriesOf(channel)).toEqual([]);
  });

  test("that fails is told with its code, and without the message", async () => {
    const channel = await addChannel(["backup.failed"]);
    await rig.control.query(
      `INSERT INTO backup.backup_jobs (id, organization_id, trigger, requested_by, status, workflow_id, proof)
       VALUES ($1, $2, 'cli', 'test', 'running', 'w', 'none')`,
      [randomUUID(), own],
    );
    await rig.control.query(
      "UPDATE backup.backup_jobs SET status = 'failed', finished_at = now(), error_code = 'StorageFull', error_message = 'bucket secret-bucket' WHERE workflow_id = 'w'",
    );
    await settled(channel);
    expect(receiver.received[0]?.body).toContain('"errorCode":"StorageFull"');
    expect(receiver.received[0]?.body).not.toContain("secret-bucket");
  });

  test("ends well although its notifications can't be written down at all", async () => {
    await addChannel(["backup.completed"]);
    await rig.control.query("ALTER TABLE backup.notification_deliveries RENAME TO away");
    try {
      await expect(rig.backUp(own)).resolves.toMatchObject({ status: "completed" });
    } finally {
      await rig.control.query("ALTER TABLE backup.away RENAME TO notification_deliveries");
    }
  });

  test("does not wait for a channel that somebody is changing", async () => {
    const channel = await addChannel(["backup.completed"]);
    const other = new Client({ connectionString: rig.database.url });
    await other.connect();
    try {
      await other.query("BEGIN");
      await other.query("SELECT 1 FROM backup.notification_channels WHERE id = $1 FOR UPDATE", [channel]);
      await expect(rig.backUp(own)).resolves.toMatchObject({ status: "completed" });
    } finally {
      await other.end();
    }
    await settled(channel);
  });
});

test("a channel that was removed before its turn is told nothing, and its delivery says why", async () => {
  const channel = await addChannel(["backup.completed"]);
  await rig.control.query(
    `WITH removed AS (DELETE FROM backup.notification_channels WHERE id = $1)
     INSERT INTO backup.notification_deliveries (organization_id, channel_id, channel_name, event, occurrence, subject_id, facts)
     VALUES ($2, $1, 'ops', 'backup.completed', 'x', 'x', '{}')`,
    [channel, own],
  );
  const [delivery] = await settled(channel);
  expect(delivery).toMatchObject({ status: "failed", error: { code: "NotificationChannelNotFound" } });
  expect(receiver.received).toEqual([]);
});

describe("a receiver", () => {
  test("that fails at first is tried again, with the same id each time, until it takes it", async () => {
    receiver.answer = (response, _received, count) => void response.writeHead(count < 3 ? 500 : 200).end();
    const channel = await addChannel(["backup.completed"]);
    await rig.backUp(own);
    const [delivery] = await settled(channel);
    expect(delivery).toMatchObject({ status: "delivered", attempts: 3, error: null });
    expect(new Set(receiver.received.map(({ headers }) => headers["webhook-id"]))).toEqual(new Set([delivery?.id]));
    expect(receiver.received).toHaveLength(3);
    expect(receiver.received.every((each) => isGenuine(each, secret))).toBe(true);
  });

  test("at a private address is refused once and for all, and the delivery says so", async () => {
    const channel = await addChannel(["backup.completed"], { kind: "webhook", url: "https://127.0.0.1:1/", secret });
    await rig.backUp(own);
    const [delivery] = await settled(channel);
    expect(delivery).toMatchObject({ status: "failed", attempts: 1, error: { code: "NotificationTargetRefused" } });
  });

  test("by mail without a mail server: the organization sees what is missing", async () => {
    const channel = await addChannel(["backup.completed"], { kind: "email", to: ["ops@example.org"] });
    await rig.backUp(own);
    const [delivery] = await settled(channel);
    expect(delivery?.error?.message).toContain("BACKUP_SMTP_URL");
  });
});

test("a restore and a verification that found something are told", async () => {
  const channel = await addChannel([
    "restore.completed",
    "restore.failed",
    "restore.rolled_back",
    "verification.failed",
  ]);
  const change = async (id: string, set: string): Promise<void> => {
    await rig.control.query(`UPDATE backup.backup_restores SET ${set} WHERE id = $1`, [id]);
  };
  const restore = async (): Promise<string> => {
    const id = randomUUID();
    await rig.control.query(
      `INSERT INTO backup.backup_restores (id, organization_id, target_organization_id, workflow_id, requested_by, choice, strategy, live_only, status)
       VALUES ($1, $2, $2, 'r', 'test', '{}', 'overwrite', 'keep', 'running')`,
      [id, own],
    );
    return id;
  };
  const [done, failed, cancelled, previewed] = [await restore(), await restore(), await restore(), await restore()];
  await change(done, "status = 'applied', restored_rows = 12");
  await change(done, "status = 'rolled_back', rolled_back_by = 'test'");
  await change(failed, "status = 'rolled_back', error_code = 'RestoreInvalid'");
  await change(cancelled, "status = 'cancelled', error_code = 'Cancelled'");
  await change(previewed, "status = 'previewed'");
  await rig.control.query(
    `INSERT INTO backup.backup_verification_results (organization_id, job_id, level, proven, objects, bytes, problems, started_at)
     VALUES ($1, $2, 'content', false, 1, 1, '[{"key":"a/secret/path"}]', now()), ($1, $2, 'content', true, 1, 1, '[]', now())`,
    [own, randomUUID()],
  );
  const deliveries = await settled(channel, 4);
  expect(deliveries.map(({ event, subjectId }) => [event, subjectId])).toEqual(
    expect.arrayContaining([
      ["restore.completed", done],
      ["restore.rolled_back", done],
      ["restore.failed", failed],
    ]),
  );
  expect(deliveries.map(({ event }) => event)).toContain("verification.failed");
  expect(deliveries).toHaveLength(4);
  expect(receiver.received.map(({ body }) => body).join()).not.toContain("a/secret/path");
});

test("a backup that is overdue is told by the schedule, once a day", async () => {
  const channel = await addChannel(["backup.overdue"]);
  const policyId = randomUUID();
  await rig.control.query(
    `INSERT INTO backup.backup_policies (id, organization_id, name, cron, created_at, updated_at, longest_gap_seconds, jitter_seconds, catchup_seconds)
     VALUES ($1, $2, 'hourly', '0 * * * *', now() - interval '30 days', now() - interval '30 days', 3600, 0, 60)`,
    [policyId, foreign],
  );
  await rig.control.query("UPDATE backup.notification_channels SET organization_id = $2 WHERE id = $1", [
    channel,
    foreign,
  ]);
  await rig.control.query(
    "UPDATE backup.organization_status SET last_good_at = now() - interval '3 hours' WHERE organization_id = $1",
    [foreign],
  );
  try {
    await ensureOverdueWatch(rig.client);
    await ensureOverdueWatch(rig.client);
    await rig.client.schedule.getHandle(overdueScheduleId).trigger();
    const [received] = await eventually(
      "the overdue notification",
      async () => receiver.received.length > 0 && receiver.received,
    );
    expect(JSON.parse(received?.body ?? "{}")).toMatchObject({
      type: "backup.overdue",
      data: { organizationId: foreign, policyId },
    });
    expect(await createNotificationLedger(rig.control).noticeOverdue()).toBe(0); // said today already
  } finally {
    await rig.control.query("DELETE FROM backup.backup_policies WHERE id = $1", [policyId]);
    await rig.client.schedule.getHandle(overdueScheduleId).delete();
  }
});

test("a worker that is killed right after the job ended loses nothing: another one tells", async () => {
  const rigOfItsOwn = await createBackupRig();
  try {
    const [organizationId = ""] = rigOfItsOwn.organizationIds;
    const point = { organizationId, activity: "reportBackup", when: "after" } as const;
    const first = await startChildWorker(rigOfItsOwn, { pauses: [point] }, { notifyHosts: [receiver.host] });
    const id = randomUUID();
    const target: ChannelTarget = { kind: "webhook", url: receiver.url, secret };
    const sealed = await sealText(rigOfItsOwn.key, channelTargetPurpose(id), JSON.stringify(target));
    receiver.answer = (response) => void response.writeHead(503).end(); // nothing is taken while the first one lives
    await createChannel(
      rigOfItsOwn.control,
      {
        id,
        organizationId,
        name: "ops",
        kind: "webhook",
        events: ["backup.completed"],
        shown: "s",
        requestedBy: "test",
      },
      sealed,
    );
    await rigOfItsOwn.request(organizationId);
    await eventually("the job's end", async () => first.reached.length > 0);
    await first.end("SIGKILL");
    receiver.answer = takes;
    const second = await startChildWorker(rigOfItsOwn, {}, { notifyHosts: [receiver.host] });
    try {
      const delivered = await eventually("the delivery", async () => {
        const [delivery] = await listDeliveries(rigOfItsOwn.control, { organizationId, limit: 1 });
        return delivery?.status === "delivered" && delivery;
      });
      expect(delivered.event).toBe("backup.completed");
      const told = receiver.received.at(-1);
      expect(told !== undefined && isGenuine(told, secret)).toBe(true);
    } finally {
      await second.end("SIGTERM");
    }
  } finally {
    await rigOfItsOwn.close();
  }
});

test("the command line adds, tests, lists and removes a channel", async () => {
  const commands = createCommandLine({ ...environmentOf(rig), BACKUP_NOTIFY_HOSTS: receiver.host });
  const add = ["notify", "add", "-o", own, "--name", "ops"];
  const { json: channel } = (await commands.json([...add, "--webhook", receiver.url])) as {
    json: { id: string; secret: string };
  };
  expect(await commands.json([...add, "--email", "ops@example.org"])).toMatchObject({
    code: 1,
    json: { error: { code: "NotificationChannelExists" } },
  });
  expect(await commands.json([...add, "--email", "ops"])).toMatchObject({
    code: 2,
    json: { error: { code: "NotificationChannelInvalid" } },
  });
  expect(await commands.json(["notify", "test", channel.id])).toMatchObject({
    code: 0,
    json: { event: "test", status: "delivered" },
  });
  const [received] = receiver.received;
  expect(received !== undefined && isGenuine(received, channel.secret)).toBe(true);
  const change = ["notify", "secret", channel.id, "--overlap-hours"];
  expect(await commands.json([...change, "9999"])).toMatchObject({
    code: 2,
    json: { error: { code: "UsageInvalid" } },
  });
  const secrets = [channel.secret];
  for (const [hours, signers] of [
    ["1", [true, true]],
    ["0", [false, false, true]],
  ] as const) {
    const changed = await commands.json([...change, hours]);
    secrets.push((changed.json as { secret: string }).secret);
    expect((await commands.json(["notify", "test", channel.id])).code).toBe(0);
    const newest = receiver.received.at(-1) as Received;
    expect(secrets.map((each) => isGenuine(newest, each))).toEqual(signers);
  }
  receiver.answer = (response) => void response.writeHead(500).end();
  expect(await commands.json(["notify", "test", channel.id])).toMatchObject({
    code: 1,
    json: { attempts: 1, error: { code: "NotificationUndelivered" } },
  });
  const listed = await commands.run(["notify", "list", "-o", own]);
  expect(listed.stdout).toContain(`http://${receiver.host}/…`);
  expect(listed.stdout).not.toContain("a-secret-in-the-url");
  expect((await commands.run(["notify", "deliveries", "-o", own])).stdout).toContain("The receiver answered 500.");
  expect(await commands.json(["notify", "remove", channel.id])).toMatchObject({ code: 0 });
  expect(await commands.json(["notify", "remove", channel.id])).toMatchObject({
    code: 1,
    json: { error: { code: "NotificationChannelNotFound" } },
  });
});

test("a changed secret signs at once, the old one as long as was said; a second change ends the first secret", async () => {
  const channelId = await addChannel(["backup.failed"]);
  const change = async (overlapSeconds: number): Promise<string> => {
    const changed = createWebhookSecret();
    const sealed = await sealText(rig.key, channelSecretPurpose(channelId), changed);
    await changeSecret(rig.control, { channelId, sealed, overlapSeconds });
    return changed;
  };
  const told = async (count: number): Promise<Received> => {
    await testAnyChannel(rig.control, channelId);
    const deliveries = await settled(channelId, count);
    expect(deliveries.map(({ status }) => status)).toEqual(deliveries.map(() => "delivered"));
    const received = receiver.received.find(({ headers }) => headers["webhook-id"] === deliveries[0]?.id);
    return received as Received;
  };
  const signers = (received: Received, secrets: readonly string[]): boolean[] =>
    secrets.map((each) => isGenuine(received, each));
  expect(signers(await told(1), [secret])).toEqual([true]);
  const second = await change(3_600);
  expect(signers(await told(2), [secret, second])).toEqual([true, true]);
  const third = await change(3_600);
  const both = await told(3);
  expect(signers(both, [secret, second, third])).toEqual([false, true, true]);
  expect(String(both.headers["webhook-signature"]).split(" ")).toHaveLength(2);
  const last = await change(0);
  expect(signers(await told(4), [second, third, last])).toEqual([false, false, true]);
  const mail = await addChannel(["backup.failed"], { kind: "email", to: ["ops@example.org"] });
  const none = { channelId: mail, sealed: "x", overlapSeconds: 0 };
  await expect(changeSecret(rig.control, none)).rejects.toMatchObject({ code: "NotificationChannelInvalid" });
  await expect(changeSecret(rig.control, { ...none, channelId: randomUUID() })).rejects.toMatchObject({
    code: "NotificationChannelNotFound",
  });
});

test("what is sealed of a channel that is changed during a rotation is left as it was changed", async () => {
  const channelId = await addChannel(["backup.failed"]);
  const put = (sealed: string) =>
    rig.control.query("UPDATE backup.notification_targets SET target_sealed = $2 WHERE channel_id = $1", [
      channelId,
      sealed,
    ]);
  await resealChannels(rig.control, async () => {
    await put("changed meanwhile");
    return "sealed anew";
  });
  const [row] = await rig.control.query("SELECT target_sealed AS sealed FROM backup.notification_targets");
  expect(row).toEqual({ sealed: "changed meanwhile" });
});

test("a rotated key opens every target, also of a restore that waits; one that is sealed anew already is left", async () => {
  const [first, second] = [await addChannel(["backup.failed"]), await addChannel(["backup.failed"])];
  const newKey = randomBytes(32).toString("base64");
  const done = await sealText(newKey, channelTargetPurpose(second), "done already");
  await rig.control.query("UPDATE backup.notification_targets SET target_sealed = $2 WHERE channel_id = $1", [
    second,
    done,
  ]);
  const [waiting, lost] = [randomUUID(), randomUUID()];
  const targetUrl = "postgres://restorer:secret@elsewhere/target";
  for (const [id, key] of [
    [waiting, rig.key],
    [lost, randomBytes(32).toString("base64")],
  ] as const)
    await rig.control.query(
      `INSERT INTO backup.backup_restores (id, organization_id, target_organization_id, target, target_sealed, workflow_id, requested_by, choice, strategy, live_only, status)
       VALUES ($1, $2, $2, 'other', $3, 'restore/none', 'test', '{"by":"latest"}', 'overwrite', 'keep', 'waiting')`,
      [id, own, await sealText(key, restoreTargetPurpose, targetUrl)],
    );
  // The first one's secret was changed twice: both lie beside its target.
  const changed = [createWebhookSecret(), createWebhookSecret()];
  for (const each of changed)
    await changeSecret(rig.control, {
      channelId: first,
      sealed: await sealText(rig.key, channelSecretPurpose(first), each),
      overlapSeconds: 3_600,
    });
  const commands = createCommandLine({
    ...environmentOf(rig),
    BACKUP_NEW_ENCRYPTION_KEY: newKey,
    BACKUP_STORAGE_BUCKET: await copyOfStore(),
  });
  expect(await commands.json(["keys", "rotate"])).toMatchObject({ code: 0, json: { channels: 1, restores: 1 } });
  expect(await openText(newKey, restoreTargetPurpose, (await readSealedTarget(rig.control, waiting)) ?? "")).toBe(
    targetUrl,
  );
  await rig.control.query("DELETE FROM backup.backup_restores WHERE id = ANY ($1::uuid[])", [[waiting, lost]]);
  const sealed = new Map(
    (
      await rig.control.query<{ id: string; sealed: string }>(
        "SELECT channel_id AS id, target_sealed AS sealed FROM backup.notification_targets",
      )
    ).map((row) => [row.id, row.sealed]),
  );
  const opened = await openText(newKey, channelTargetPurpose(first), sealed.get(first) ?? "");
  expect(JSON.parse(opened)).toEqual({ kind: "webhook", url: receiver.url, secret });
  expect(sealed.get(second)).toBe(done);
  const [beside] = await rig.control.query<{ newest: string; before: string }>(
    "SELECT secret_sealed AS newest, old_secret_sealed AS before FROM backup.notification_targets WHERE channel_id = $1",
    [first],
  );
  const secretIn = (text = ""): Promise<string> => openText(newKey, channelSecretPurpose(first), text);
  expect([await secretIn(beside?.before), await secretIn(beside?.newest)]).toEqual(changed);

  // The rig's own key must stay what it is.
  async function copyOfStore(): Promise<string> {
    const copy = join(rig.folder, "store-to-rotate");
    await cp(rig.storeDir, copy, { recursive: true });
    return copy;
  }
});

describe("the facade", () => {
  const channels = "/api/admin/notification-channels";

  test("adds, tests and removes a channel; its secret is told once, and no session can read a target", async () => {
    const admin = await facade.as("admin", own);
    const key = randomUUID();
    const add = () =>
      request(facade.url)
        .post(channels)
        .set(admin)
        .set("Idempotency-Key", key)
        .send({
          name: "ops",
          webhook: { url: "https://hooks.example.org/T0/secret-path" },
          events: notificationEventNames,
        });
    const created = await add();
    expect(created.status).toBe(201);
    expect(created.body).toMatchObject({
      shown: "https://hooks.example.org/…",
      secret: expect.stringMatching(/^whsec_/),
    });
    const again = await add();
    expect([again.status, again.body.id, again.body.secret]).toEqual([201, created.body.id, null]);
    const listed = await request(facade.url).get(channels).set(admin);
    expect(listed.body.channels).toHaveLength(1);
    for (const planted of ["secret-path", created.body.secret as string]) {
      expect(listed.text).not.toContain(planted);
      for (const table of ["idempotency_keys", "audit_log", "notification_channels", "notification_targets"]) {
        const rows = await rig.control.query(`SELECT * FROM backup.${table}`);
        expect(JSON.stringify(rows)).not.toContain(planted);
      }
    }
    const binding = { organizationId: own, platform: false, actor: "test", role: "owner" };
    const ask = (sql: string) => facade.dependencies.sessions.run(binding, (bound) => bound.query(sql, []));
    await expect(ask("SELECT * FROM backup.notification_targets")).rejects.toMatchObject({ code: "Internal" });
    await expect(ask("UPDATE backup.notification_deliveries SET status = 'waiting'")).rejects.toMatchObject({
      code: "Internal",
    });

    const tested = await request(facade.url)
      .post(`${channels}/${String(created.body.id)}/test`)
      .set(admin);
    expect(tested.status).toBe(202);
    const delivery = await eventually("the test's end", async () => {
      const answer = await request(facade.url).get(String(tested.headers["location"])).set(admin);
      const [first] = answer.body.deliveries as Delivery[];
      return first?.status === "failed" && first;
    });
    expect(delivery).toMatchObject({ event: "test", attempts: 1 }); // hooks.example.org has no address

    const change = (as: typeof admin) =>
      request(facade.url)
        .post(`${channels}/${String(created.body.id)}/secret`)
        .set(as)
        .set("Idempotency-Key", "change-once")
        .send({ overlapHours: 1 });
    expect((await change(await facade.as("admin", foreign))).body.code).toBe("NotificationChannelNotFound");
    const changed = await change(admin);
    expect(changed.status).toBe(200);
    expect(changed.body.secret).toMatch(/^whsec_/);
    expect(changed.body.secret).not.toBe(created.body.secret);
    expect(Math.abs(Date.parse(changed.body.oldSecretUntil as string) - Date.now() - 3_600_000)).toBeLessThan(600_000);
    expect((await change(admin)).body).toEqual({ ...(changed.body as object), secret: null });
    for (const table of ["idempotency_keys", "audit_log", "notification_channels", "notification_targets"])
      expect(JSON.stringify(await rig.control.query(`SELECT * FROM backup.${table}`))).not.toContain(
        changed.body.secret,
      );

    const removed = await request(facade.url)
      .delete(`${channels}/${String(created.body.id)}`)
      .set(admin);
    expect(removed.status).toBe(204);
    expect(await rig.control.query("SELECT 1 FROM backup.notification_targets")).toEqual([]);
  });

  test("no target can be put, and no secret changed, beside another organization's channel", async () => {
    const channel = await addChannel(["backup.failed"]);
    const binding = { organizationId: foreign, platform: false, actor: "test", role: "owner" };
    await expect(
      facade.dependencies.sessions.run(binding, (bound) =>
        bound.query("SELECT backup.put_notification_target($1, 'x')", [channel]),
      ),
    ).rejects.toMatchObject({ code: "Internal" });
    const changed = await facade.dependencies.sessions.run(binding, (bound) =>
      bound.query("SELECT backup.change_own_notification_secret($1, 'x', 0) AS until", [channel]),
    );
    expect(changed).toEqual([{ until: null }]);
    const [row] = await rig.control.query("SELECT secret_sealed AS secret FROM backup.notification_targets");
    expect(row).toEqual({ secret: null });
  });

  test.each([
    [{ name: "x" }, "ValueInvalid"],
    [{ name: "x", webhook: { url: "https://a.example" }, email: { to: ["a@example.org"] } }, "ValueInvalid"],
    [{ name: "x", webhook: { url: "http://a.example" } }, "NotificationChannelInvalid"],
    [{ name: "x", email: { to: ["a@example.org\r\nBcc: b@example.org"] } }, "NotificationChannelInvalid"],
    [{ name: "x", email: { to: ["a@example.org"] }, events: ["everything"] }, "UsageInvalid"],
  ])("refuses %j: %s", async (body, code) => {
    const answer = await request(facade.url)
      .post(channels)
      .set(await facade.as("admin", own))
      .send(body);
    expect([answer.status, answer.body.code]).toEqual([code === "UsageInvalid" ? 400 : 422, code]);
  });
});
