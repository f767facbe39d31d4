// An erasure in a bucket with object locks: refused by the lock's name; or, where it is asked for, the key goes, what is
// locked stays unreadable, is certified as such, and goes with the next order once its lock has ended.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { ErasureCertificate } from "../../src/domain/erase-run.ts";
import type { ObjectStore, StoredVersion } from "../../src/ports/object-store.ts";
import { organizationPrefix, wrappedKeysPrefix } from "../../src/repository/names.ts";
import { createOrOpenRepository, type Repository } from "../../src/repository/repository.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { erase, erasureOf } from "../support/erase.ts";
import { outcomeOf } from "../support/outcome.ts";
import { startVersioningServer, versionsUnder, type VersioningServer } from "../support/versioned-bucket.ts";

let server: VersioningServer;
let rig: BackupRig;
let store: ObjectStore;
let Bucket: string;
let repository: Repository;
let locked: StoredVersion;
let own: string;
let other: string;

beforeAll(async () => {
  server = await startVersioningServer();
  rig = await createBackupRig({ size: { organizations: 2, guestsPerWedding: 4, messagesPerWedding: 2 } });
  ({ Bucket, store } = await server.openBucket({ locks: true }));
  repository = await createOrOpenRepository(store, rig.key);
  await rig.startWorker({ repository });
  [own = "", other = ""] = rig.organizationIds;
  for (const organizationId of [own, other]) await rig.backUp(organizationId);
  [locked] = (await versionsUnder(store, `${organizationPrefix(own)}packs/`)) as [StoredVersion];
  await server.hold(Bucket, locked, "ON");
});
afterAll(async () => {
  await rig?.close();
  await store?.close();
  await server?.stop();
});

const left = (organizationId: string) => versionsUnder(store, organizationPrefix(organizationId));

test("is refused by the name of what is locked, and of its lock", async () => {
  const before = await versionsUnder(store, "");
  const refused = erase(rig, own);
  await expect(refused).rejects.toMatchObject({ code: "ObjectLocked" });
  await expect(refused).rejects.toThrow(locked.key);
  await expect(refused).rejects.toThrow(/legal hold/);
  expect(await versionsUnder(store, "")).toEqual(before);
  expect(await erasureOf(rig, own)).toMatchObject({ status: "refused", errorCode: "ObjectLocked" });
  expect(await outcomeOf(() => repository.openVault(own))).toBe("done");
});

test("or leaves what is locked, unreadable and certified as left, until the lock has ended", async () => {
  const all = (await left(own)).length;
  const outcome = await erase(rig, own, { leaveLocked: true });
  expect(outcome).toMatchObject({ status: "incomplete", removed: { keys: 1 } });
  expect(outcome.remaining).toEqual([
    { what: expect.stringContaining(locked.key), why: expect.stringContaining("legal hold") },
  ]);
  const { keys, manifests, packs, others } = outcome.removed;
  expect(keys + manifests + packs + others).toBe(all - 1);
  expect((await left(own)).map(({ key }) => key)).toEqual([locked.key]);
  expect(await versionsUnder(store, wrappedKeysPrefix(own))).toEqual([]);
  expect(await outcomeOf(() => repository.openVault(own))).toBe("OrganizationErased");
  const row = await erasureOf(rig, own);
  expect(row.status).toBe("incomplete");
  expect(row.certificate).toContain(locked.key);

  await server.hold(Bucket, locked, "OFF");
  expect(await erase(rig, own)).toMatchObject({ status: "erased", remaining: [] });
  expect(await left(own)).toEqual([]);
  const certificate = JSON.parse((await erasureOf(rig, own)).certificate ?? "") as ErasureCertificate;
  expect(certificate).toMatchObject({ status: "erased", orderedBy: "olga", removed: { keys, manifests } });
  const removed = certificate.removed;
  expect(removed.keys + removed.manifests + removed.packs + removed.others).toBe(all);
});

test("never leaves a locked key: then nothing would be unreadable", async () => {
  const [key] = (await versionsUnder(store, wrappedKeysPrefix(other))) as [StoredVersion];
  await server.hold(Bucket, key, "ON");
  const refused = erase(rig, other, { leaveLocked: true });
  await expect(refused).rejects.toMatchObject({ code: "ObjectLocked" });
  await expect(refused).rejects.toThrow(/exempt organizations/);
  expect(await outcomeOf(() => repository.openVault(other))).toBe("done");
});
