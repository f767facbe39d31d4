// Answers that are not what they seem: a listing that ends too early, a write that somebody else says is done, a delete that
// was not. On a real server, behind a proxy that meddles.
import { randomBytes } from "node:crypto";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { createS3Store } from "../../src/adapters/object-store/s3.ts";
import type { ObjectStore } from "../../src/ports/object-store.ts";
import { startMeddlingProxy, type MeddlingProxy } from "../support/meddling-proxy.ts";
import { outcomeOf } from "../support/outcome.ts";
import { createTestBucket, type TestBucket } from "../support/test-bucket.ts";

const MiB = 1024 * 1024;
const keys = ["l/1", "l/2", "l/3"];
let bucket: TestBucket;
let proxy: MeddlingProxy;
let store: ObjectStore;

beforeAll(async () => {
  bucket = await createTestBucket();
  proxy = await startMeddlingProxy(bucket.access.endpoint);
  store = await createS3Store({
    ...bucket.access,
    bucket: bucket.name,
    endpoint: proxy.endpoint,
    partBytes: 5 * MiB,
  });
  for (const key of keys) await store.create(key, Buffer.from(key));
});
afterEach(() => {
  proxy.meddling = {};
  proxy.seen.length = 0;
});
afterAll(async () => {
  await store?.close();
  await proxy?.stop();
  await bucket?.drop();
});

async function collect<T>(all: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const each of all) found.push(each);
  return found;
}
const listings: [string, () => Promise<readonly unknown[]>][] = [
  ["objects", () => collect(store.list("l/"))],
  ["versions", () => collect(store.listVersions("l/"))],
];

test.each(listings)("a listing of %s that is cut on its way is none", async (_what, list) => {
  proxy.meddling = { fault: () => "cut body" };
  expect(await outcomeOf(list)).toBe("StorageUnreachable");
  proxy.meddling = {};
  expect(await list()).toHaveLength(3);
});

test.each(listings)("a listing of %s that is empty because something else answered is none", async (_what, list) => {
  proxy.meddling = { fault: () => 200 };
  expect(await outcomeOf(list)).toBe("StorageUnreachable");
});

test.each(listings)("a listing of %s that has more, and does not say where, is not over", async (_what, list) => {
  proxy.meddling = {
    download: (body) =>
      Buffer.from(body.toString().replace("<IsTruncated>false</IsTruncated>", "<IsTruncated>true</IsTruncated> ")),
  };
  expect(await outcomeOf(list)).toBe("StorageUnreachable");
});

test.each(["drop", 503, 500] as const)("a listing, and a delete, go on over a single %s", async (fault) => {
  const once = () => {
    let left = 1;
    return () => (left-- > 0 ? fault : null);
  };
  for (const [, list] of listings) {
    proxy.meddling = { fault: once() };
    expect(await list()).toHaveLength(3);
  }
  await store.create("d/1", Buffer.from("x"));
  proxy.meddling = { fault: once() };
  await store.delete(["d/1"]);
  expect(await store.stat("d/1")).toBeNull();
});

test.each([
  ["one part", 1000],
  ["several parts", 6 * MiB],
])("a write of %s that something else says is done is not done", async (_what, size) => {
  const key = `acknowledged/${size}`;
  proxy.meddling = { fault: ({ method }) => (method === "GET" ? null : 200) };
  expect(await outcomeOf(() => store.create(key, randomBytes(size)))).toMatch(/^Storage(Unreachable|Rejected)$/);
  proxy.meddling = {};
  expect(await store.stat(key)).toBeNull();
  await store.create(key, randomBytes(size));
});

test("a delete of which the store refuses one object is refused, under that object's name", async () => {
  const refusal = `<?xml version="1.0" encoding="UTF-8"?><DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Error><Key>l/2</Key><Code>AccessDenied</Code><Message>x</Message></Error></DeleteResult>`;
  proxy.meddling = {
    download: (body, { method }) => (method === "POST" ? Buffer.from(refusal) : body),
  };
  await expect(store.delete(["l/1", "l/2"])).rejects.toMatchObject({
    code: "StorageAccessDenied",
    message: expect.stringContaining("l/2"),
  });
});
