// Personal data and keys stay where they belong. A name, two file names and the key are planted; after backups that ended
// well and badly they are looked for in the whole Temporal history, the workers' output, the control tables, and every
// stored byte.
import { randomBytes } from "node:crypto";
import { cp } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { startChildWorker, type ChildWorker } from "../support/child-worker.ts";
import { proveBackups } from "../support/prove-backups.ts";
import { textsIn } from "../support/texts-in.ts";

const guest = `Guendolina${randomBytes(4).toString("hex")}`;
const photo = `kiss-in-the-garden-${randomBytes(4).toString("hex")}.jpg`;
const gone = `first-dance-${randomBytes(4).toString("hex")}.jpg`;

let rig: BackupRig;
let worker: ChildWorker;
let organizationId: string;

beforeAll(async () => {
  rig = await createBackupRig({ size: { organizations: 1 } });
  [organizationId = ""] = rig.organizationIds;
  const photos = await rig.database.query<{ id: string; storage_path: string }>(
    "SELECT id, storage_path FROM photos ORDER BY id LIMIT 2",
  );
  const move = "UPDATE photos SET storage_path = $2 WHERE id = $1";
  const [kept, lost] = photos as [(typeof photos)[0], (typeof photos)[0]];
  await cp(join(rig.mediaDir, kept.storage_path), join(rig.mediaDir, organizationId, photo));
  await rig.database.query(move, [kept.id, `${organizationId}/${photo}`]);
  await rig.database.query(move, [lost.id, `${organizationId}/${gone}`]);
  await rig.database.query("UPDATE guests SET first_name = $1, notes = $1", [guest]);
  worker = await startChildWorker(rig);
});
afterAll(async () => {
  await worker?.end("SIGTERM");
  await rig?.close();
});

test("a backup that lacks a file, and two that fail where the driver's own message quotes what it read", async () => {
  expect(await rig.backUp(organizationId)).toMatchObject({ status: "incomplete", sequence: 1, missingFiles: 1 });
  await worker.end("SIGTERM");

  const driverError = Object.assign(new Error(`invalid input syntax for type integer: "${guest}"`), {
    code: "22P02",
    detail: `Failing row contains (${guest}, ${photo}).`,
  });
  const unreadable = await rig.startWorker({
    source: { ...rig.source, holdSnapshot: () => Promise.reject(driverError) },
  });
  await expect(rig.backUp(organizationId)).rejects.toMatchObject({ code: "Internal" });
  await unreadable.stop();

  const fileError = Object.assign(new Error(`EIO: i/o error, open '${rig.mediaDir}/${organizationId}/${photo}'`), {
    code: "EIO",
  });
  await rig.startWorker({ media: { ...rig.media, stat: () => Promise.reject(fileError) } });
  await expect(rig.backUp(organizationId)).rejects.toMatchObject({ code: "Internal" });
});

test("nothing of it is found anywhere", async () => {
  const places = {
    history: await readTemporal(),
    logs: worker.output() + rig.logLines.join("\n"),
    "control tables": await readControlTables(),
    "stored bytes": await readStore(),
  };
  const key = Buffer.from(rig.key, "base64");
  const secrets = [guest, photo, gone, rig.key, key.toString("hex"), key.toString("base64url"), key.toString("latin1")];
  for (const [place, text] of Object.entries(places)) {
    // What must be there proves that the search sees the place at all.
    const known = place === "logs" ? "snapshot released" : organizationId;
    expect({ place, seen: text.includes(known) }).toEqual({ place, seen: true });
    expect({ place, found: secrets.filter((secret) => text.includes(secret)) }).toEqual({ place, found: [] });
  }
});

test("all of it comes back by the key", async () => {
  const { manifests, unnamedPacks } = await proveBackups(rig, organizationId);
  expect(manifests.map((manifest) => manifest.sequence)).toEqual([1]);
  expect(unnamedPacks).toBe(0);
  expect(manifests[0]?.media.files.map((file) => file.path)).toContain(`${organizationId}/${photo}`);
  expect(manifests[0]?.media.missing.map((file) => file.path)).toEqual([`${organizationId}/${gone}`]);
});

/** Every event of every run with its payloads, and what the Web UI shows beside them. */
async function readTemporal(): Promise<string> {
  const seen: unknown[] = [];
  let runs = 0;
  for await (const { workflowId, runId, raw } of rig.client.workflow.list()) {
    runs += 1;
    const handle = rig.client.workflow.getHandle(workflowId, runId);
    const { events } = await handle.fetchHistory();
    expect(events?.length).toBeGreaterThan(3);
    seen.push(raw, (await handle.describe()).raw, events, await handle.query("__temporal_workflow_metadata"));
  }
  expect(runs).toBe(3);
  return textsIn(seen);
}

async function readControlTables(): Promise<string> {
  const tables = await rig.database.query<{ name: string }>(
    "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname = 'backup'",
  );
  expect(tables.length).toBeGreaterThan(5);
  const seen: unknown[] = [];
  for (const { name } of tables) seen.push(await rig.database.query(`SELECT t::text AS line FROM ${name} AS t`));
  return textsIn(seen);
}

async function readStore(): Promise<string> {
  const seen: string[] = [];
  for await (const { key } of rig.store.list("")) seen.push(key, (await rig.store.read(key)).toString("latin1"));
  return seen.join("\n");
}
