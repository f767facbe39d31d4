// A bucket that keeps versions and knows object locks: what an erasure must see there and remove, and what it must not.
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  PutBucketVersioningCommand,
  PutObjectLegalHoldCommand,
  PutObjectRetentionCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createS3Store } from "../../src/adapters/object-store/s3.ts";
import { cacheFolder } from "../../src/local/cache-folder.ts";
import type { ObjectStore, StoredVersion } from "../../src/ports/object-store.ts";
import { organizationPrefix, wrappedKeysPrefix } from "../../src/repository/names.ts";
import { outcomeOf } from "../support/outcome.ts";
import { startS3Server, type S3Server } from "../support/s3-server.ts";
import { firstOrganization, makeSmallRepository, secondOrganization } from "../support/small-repository.ts";

let folder: string;
let server: S3Server;
let client: S3Client;
let stores = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wedsync-versions-"));
  const versions = join(folder, "versions");
  await mkdir(versions);
  server = await startS3Server(folder, cacheFolder(process.env), () => {}, [], ["--versioning-dir", versions]);
  const { endpoint, accessKeyId, secretAccessKey } = server;
  client = new S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
  });
});
afterAll(async () => {
  client?.destroy();
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function openBucket({ locks }: { locks: boolean }): Promise<{ Bucket: string; store: ObjectStore }> {
  const Bucket = `versions-${(stores += 1)}`;
  await client.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: locks }));
  await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: "Enabled" } }));
  return { Bucket, store: await createS3Store({ ...server, bucket: Bucket, partBytes: 5 * 1024 * 1024 }) };
}

async function all(store: ObjectStore, prefix: string): Promise<StoredVersion[]> {
  const found: StoredVersion[] = [];
  for await (const version of store.listVersions(prefix)) found.push(version);
  return found;
}

const kindsOf = (versions: readonly StoredVersion[]): string[] => versions.map(({ kind }) => kind).sort();
const tombstone = { erasureId: "9d9e0b8e-6a3a-4c55-8f55-1c1a35a1e0aa", orderedAt: "2026-01-02T03:04:05.678Z" };

test("an object that was deleted is still there by its version, until that is destroyed; so is an upload that never ended", async () => {
  const { Bucket, store } = await openBucket({ locks: false });
  await store.create("a/object", Buffer.from("one"));
  await store.delete(["a/object"]);
  await store.create("a/object", Buffer.from("two"));
  await client.send(new CreateMultipartUploadCommand({ Bucket, Key: "a/upload" }));
  await store.create("b/object", Buffer.from("stays"));
  const found = await all(store, "a/");
  expect(kindsOf(found)).toEqual(["marker", "upload", "version", "version"]);
  expect(await store.destroy(found)).toEqual([]);
  expect(await store.destroy(found)).toEqual([]); // again: what is not there counts as removed
  expect(await all(store, "a/")).toEqual([]);
  expect(kindsOf(await all(store, ""))).toEqual(["version"]);
  await store.close();
});

test("an erasure leaves no version of anything, whatever was deleted before", async () => {
  const { store } = await openBucket({ locks: false });
  const { repository } = await makeSmallRepository(store);
  const vault = await repository.openVault(firstOrganization);
  for await (const { name } of vault.listPacks()) {
    await vault.deletePacks([name]);
    break;
  }
  const others = await all(store, organizationPrefix(secondOrganization));
  const erasure = repository.erasure(firstOrganization);
  expect(await erasure.listLocks(10)).toEqual([]);
  await erasure.writeTombstone(tombstone);
  await erasure.destroyKeys();
  expect(await all(store, wrappedKeysPrefix(firstOrganization))).toEqual([]);
  expect(await erasure.deleteAll(async () => {})).toEqual([]);
  expect(await all(store, organizationPrefix(firstOrganization))).toEqual([]);
  expect(await all(store, organizationPrefix(secondOrganization))).toEqual(others);
  await store.close();
});

test("what the store locks is named, stays, and is unreadable; a locked key is not destroyed, and says so", async () => {
  const { Bucket, store } = await openBucket({ locks: true });
  const { repository } = await makeSmallRepository(store);
  const [pack, held] = (await all(store, `${organizationPrefix(firstOrganization)}packs/`)) as [
    StoredVersion,
    StoredVersion,
  ];
  const until = new Date(Date.now() + 3_600_000);
  await client.send(
    new PutObjectRetentionCommand({
      Bucket,
      Key: pack.key,
      VersionId: pack.versionId ?? undefined,
      Retention: { Mode: "COMPLIANCE", RetainUntilDate: until },
    }),
  );
  await client.send(
    new PutObjectLegalHoldCommand({
      Bucket,
      Key: held.key,
      VersionId: held.versionId ?? undefined,
      LegalHold: { Status: "ON" },
    }),
  );
  const erasure = repository.erasure(firstOrganization);
  const locks = await erasure.listLocks(10);
  expect(Object.fromEntries(locks.map(({ key, kind }) => [key, kind]))).toEqual({
    [pack.key]: "retention",
    [held.key]: "legal hold",
  });
  await erasure.writeTombstone(tombstone);
  await erasure.destroyKeys();
  const kept = await erasure.deleteAll(async () => {});
  expect(new Set(kept.map(({ what }) => what.split(" ")[0]))).toEqual(new Set([pack.key, held.key]));
  expect(kept.map(({ why }) => why).join()).toContain(`object lock until ${until.toISOString().slice(0, 16)}`);
  expect(await erasure.count()).toMatchObject({ keys: 0, manifests: 0, packs: 2, others: 0 });

  const [key] = (await all(store, wrappedKeysPrefix(secondOrganization))) as [StoredVersion];
  await client.send(
    new PutObjectRetentionCommand({
      Bucket,
      Key: key.key,
      VersionId: key.versionId ?? undefined,
      Retention: { Mode: "COMPLIANCE", RetainUntilDate: until },
    }),
  );
  expect(await outcomeOf(() => repository.erasure(secondOrganization).destroyKeys())).toBe("StorageAccessDenied");
  await store.close();
});
