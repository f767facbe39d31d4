// A bucket that keeps versions and knows object locks: what an erasure must see there and remove, and what it must not.
import { CreateMultipartUploadCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { StoredVersion } from "../../src/ports/object-store.ts";
import { organizationPrefix, wrappedKeysPrefix } from "../../src/repository/names.ts";
import { outcomeOf } from "../support/outcome.ts";
import { firstOrganization, makeSmallRepository, secondOrganization } from "../support/small-repository.ts";
import { startVersioningServer, versionsUnder as all, type VersioningServer } from "../support/versioned-bucket.ts";

let server: VersioningServer;
beforeAll(async () => (server = await startVersioningServer()));
afterAll(async () => await server?.stop());

const kindsOf = (versions: readonly StoredVersion[]): string[] => versions.map(({ kind }) => kind).sort();
const tombstone = { erasureId: "9d9e0b8e-6a3a-4c55-8f55-1c1a35a1e0aa", orderedAt: "2026-01-02T03:04:05.678Z" };

test("an object that was deleted is still there by its version, until that is destroyed; so is an upload that never ended", async () => {
  const { Bucket, store } = await server.openBucket({ locks: false });
  await store.create("a/object", Buffer.from("one"));
  await store.delete(["a/object"]);
  // Not by our create-only write: this server takes a marker for an object.
  await server.client.send(new PutObjectCommand({ Bucket, Key: "a/object", Body: "two" }));
  await server.client.send(new CreateMultipartUploadCommand({ Bucket, Key: "a/upload" }));
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
  const { store } = await server.openBucket({ locks: false });
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
  const { Bucket, store } = await server.openBucket({ locks: true });
  const { repository } = await makeSmallRepository(store);
  const [pack, held] = (await all(store, `${organizationPrefix(firstOrganization)}packs/`)) as [
    StoredVersion,
    StoredVersion,
  ];
  const until = new Date(Date.now() + 3_600_000);
  await server.retain(Bucket, pack, until);
  await server.hold(Bucket, held, "ON");
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
  await server.retain(Bucket, key, until);
  expect(await outcomeOf(() => repository.erasure(secondOrganization).destroyKeys())).toBe("StorageAccessDenied");
  await store.close();
});
