// What can go wrong between the S3 adapter and its server, on a real server: each ends under its own name.
import { createHash, randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateMultipartUploadCommand, ListMultipartUploadsCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import { createS3Store, type S3StoreOptions } from "../../src/adapters/object-store/s3.ts";
import { cacheFolder } from "../../src/local/cache-folder.ts";
import { findFreePort } from "../../src/local/free-port.ts";
import type { ObjectStore } from "../../src/ports/object-store.ts";
import { startMeddlingProxy, withOneBitTurned, type MeddlingProxy } from "../support/meddling-proxy.ts";
import { startS3Server } from "../support/s3-server.ts";
import { mountTmpfs } from "../support/mount.ts";
import { createTestBucket, type TestBucket } from "../support/test-bucket.ts";

const MiB = 1024 * 1024;

describe("the S3 store", () => {
  let bucket: TestBucket;
  let proxy: MeddlingProxy;
  const stores: ObjectStore[] = [];
  const open = async (options: Partial<S3StoreOptions> = {}): Promise<ObjectStore> => {
    const access = { ...bucket.access, bucket: bucket.name, endpoint: proxy.endpoint, partBytes: 5 * MiB };
    const store = await createS3Store({ ...access, ...options });
    stores.push(store);
    return store;
  };
  let keys = 0;
  const fresh = (): string => `faults/${(keys += 1)}`;

  beforeAll(async () => {
    bucket = await createTestBucket();
    proxy = await startMeddlingProxy(bucket.access.endpoint);
  });
  afterEach(() => {
    proxy.meddling = {};
    proxy.seen.length = 0;
  });
  afterAll(async () => {
    for (const store of stores) await store.close();
    await proxy.stop();
    await bucket.drop();
  });

  describe("checksums", () => {
    test("a wrong one is refused by the server", async () => {
      const wrong = bucket.client.send(
        new PutObjectCommand({ Bucket: bucket.name, Key: fresh(), Body: "content", ChecksumCRC32: "AAAAAA==" }),
      );
      await expect(wrong).rejects.toMatchObject({ name: "BadDigest" });
    });

    test.each([
      ["one part", 1 * MiB],
      ["several parts", 11 * MiB],
    ])("a bit that turns on the way up, %s, is refused, and nothing is left", async (_, size) => {
      const [store, key] = [await open(), fresh()];
      proxy.meddling = { upload: (body, { method }) => (method === "PUT" ? withOneBitTurned(body) : body) };
      await expect(store.create(key, randomBytes(size))).rejects.toMatchObject({ code: "ChecksumMismatch" });
      proxy.meddling = {};
      expect(await store.stat(key)).toBeNull();
      const { Uploads = [] } = await bucket.client.send(new ListMultipartUploadsCommand({ Bucket: bucket.name }));
      expect(Uploads).toEqual([]);
    });

    test.each([
      ["one part", 1 * MiB],
      ["several parts", 11 * MiB],
    ])("a bit that turns on the way down, or at rest, is noticed (%s)", async (_, size) => {
      const [store, key, body] = [await open(), fresh(), randomBytes(size)];
      await store.create(key, body);
      proxy.meddling = { download: withOneBitTurned };
      await expect(store.read(key)).rejects.toMatchObject({ code: "ChecksumMismatch" });
      proxy.meddling = {};
      expect((await store.read(key)).equals(body)).toBe(true);
    });

    test("travel with every upload", async () => {
      const store = await open();
      await store.create(fresh(), randomBytes(1000));
      await store.create(fresh(), randomBytes(11 * MiB));
      const uploads = proxy.seen.filter(({ method }) => method === "PUT");
      expect(uploads.length).toBeGreaterThan(3);
      for (const { headers } of uploads)
        expect(headers["x-amz-checksum-crc32"] ?? headers["x-amz-trailer"]).toBeDefined();
    });
  });

  describe("a hash that the caller has", () => {
    test("is what the request states, and the server compares it with the body", async () => {
      const [store, key, body] = [await open(), fresh(), randomBytes(1000)];
      const sha256 = createHash("sha256").update(body).digest("hex");
      const another = createHash("sha256").update("another body").digest("hex");
      await expect(store.create(key, body, { sha256: another })).rejects.toMatchObject({ code: "ChecksumMismatch" });
      expect(await store.stat(key)).toBeNull();
      await store.create(key, body, { sha256 });
      expect((await store.read(key)).equals(body)).toBe(true);
      const stated = proxy.seen
        .filter(({ method }) => method === "PUT")
        .map((put) => put.headers["x-amz-content-sha256"]);
      expect(new Set(stated)).toEqual(new Set([another, sha256]));
    });
  });

  describe("requests", () => {
    test("never say Expect: 100-continue, and always say create-only", async () => {
      const store = await open();
      await store.create(fresh(), randomBytes(3 * MiB));
      await store.create(fresh(), randomBytes(11 * MiB));
      expect(proxy.seen.filter(({ headers }) => headers.expect !== undefined)).toEqual([]);
      const makers = proxy.seen.filter(
        ({ method, url }) =>
          (method === "PUT" && !url.includes("partNumber")) || (method === "POST" && url.includes("uploadId")),
      );
      expect(makers).toHaveLength(2);
      for (const { headers } of makers) expect(headers["if-none-match"]).toBe("*");
    });

    test("ask for server-side encryption where it is configured", async () => {
      const store = await open({ serverSideEncryption: "AES256" });
      await store.create(fresh(), randomBytes(10)).catch(() => {}); // whether this server has it is not the question
      await store.create(fresh(), randomBytes(6 * MiB)).catch(() => {});
      const makers = proxy.seen.filter(({ method, url }) => method === "PUT" || url.includes("?uploads"));
      const asked = makers.filter(({ headers }) => headers["x-amz-server-side-encryption"] === "AES256");
      expect(asked.map(({ method }) => method)).toEqual(expect.arrayContaining(["PUT", "POST"]));
    });
  });

  describe("retries", () => {
    test.each(["drop", 503, 500, 429] as const)("bridge a single %s", async (fault) => {
      const [store, key, body] = [await open(), fresh(), randomBytes(100_000)];
      const once = () => {
        let left = 1;
        return () => (left-- > 0 ? fault : null);
      };
      proxy.meddling = { fault: once() };
      await store.create(key, body);
      proxy.meddling = { fault: once() };
      expect((await store.read(key)).equals(body)).toBe(true);
      proxy.meddling = { fault: once() };
      expect(await store.stat(key)).not.toBeNull();
      proxy.meddling = { fault: once() };
      await store.delete([key]);
    });

    test("know their own work when only the answer got lost", async () => {
      const [store, key, body] = [await open(), fresh(), randomBytes(100_000)];
      let left = 1;
      proxy.meddling = { fault: () => (left-- > 0 ? "deafen" : null) };
      await store.create(key, body);
      expect((await store.read(key)).equals(body)).toBe(true);
      expect(proxy.seen.filter(({ method }) => method === "PUT")).toHaveLength(2);
    });

    test("know another's work, too", async () => {
      const [store, key] = [await open(), fresh()];
      await store.create(key, Buffer.from("another's"));
      let left = 1;
      proxy.meddling = { fault: ({ method }) => (method === "PUT" && left-- > 0 ? "drop" : null) };
      await expect(store.create(key, Buffer.from("ours"))).rejects.toMatchObject({ code: "ObjectExists" });
    });

    test("end: a store that stays away is unreachable", async () => {
      const store = await open();
      proxy.meddling = { fault: () => "drop" };
      for (const call of [
        () => store.create(fresh(), Buffer.from("x")),
        () => store.read("x"),
        () => store.stat("x"),
      ]) {
        proxy.seen.length = 0;
        await expect(call()).rejects.toMatchObject({ code: "StorageUnreachable", kind: { retryable: true } });
        expect(proxy.seen.length).toBeLessThanOrEqual(3);
      }
    });

    test("a body that ends early is no object", async () => {
      const [store, key] = [await open(), fresh()];
      await store.create(key, randomBytes(500_000));
      proxy.meddling = { fault: () => "cut body" };
      await expect(store.read(key)).rejects.toMatchObject({ code: "StorageUnreachable" });
    });
  });

  describe("uploads in parts", () => {
    const uploads = async (): Promise<number> =>
      (await bucket.client.send(new ListMultipartUploadsCommand({ Bucket: bucket.name }))).Uploads?.length ?? 0;

    test("that fail or are cancelled are aborted", async () => {
      const [store, stop] = [await open(), new AbortController()];
      const reason = new Error("cancelled");
      proxy.meddling = {
        fault: ({ url }) => {
          if (!url.includes("partNumber=2")) return null;
          stop.abort(reason);
          return null;
        },
      };
      const key = fresh();
      await expect(store.create(key, randomBytes(16 * MiB), { signal: stop.signal })).rejects.toBe(reason);
      proxy.meddling = { fault: ({ url }) => (url.includes("partNumber=3") ? 400 : null) };
      await expect(store.create(fresh(), randomBytes(16 * MiB))).rejects.toMatchObject({ code: "StorageRejected" });
      expect(await store.stat(key)).toBeNull();
      expect(await uploads()).toBe(0);
    });

    test("that a killed process left are swept by the next write of the same key; others' are not", async () => {
      const [key, another] = [fresh(), fresh()];
      const store = await open({ abandonedUploadMs: 0 });
      for (const Key of [key, another])
        await bucket.client.send(new CreateMultipartUploadCommand({ Bucket: bucket.name, Key }));
      expect(await uploads()).toBe(2);
      await store.create(key, randomBytes(6 * MiB));
      expect(await uploads()).toBe(1);
    });
  });

  describe("is refused", () => {
    const every = (store: ObjectStore): (() => Promise<unknown>)[] => [
      () => store.create(fresh(), Buffer.from("x")),
      () => store.create(fresh(), randomBytes(6 * MiB)),
      () => store.read("repository"),
      () => store.stat("repository"),
      () => store.list("")[Symbol.asyncIterator]().next(),
      () => store.delete(["x"]),
    ];

    test.each([
      ["a wrong secret", { secretAccessKey: "wrong-secret-0123456789" }],
      ["an unknown key id", { accessKeyId: "nobody" }],
      ["another region", { region: "eu-nowhere-1" }],
    ])("by %s: StorageAccessDenied", async (_, wrong) => {
      const store = await open({ ...wrong, endpoint: bucket.access.endpoint });
      for (const call of every(store)) {
        const refusal = call();
        await expect(refusal).rejects.toMatchObject({
          code: "StorageAccessDenied",
          message: expect.stringContaining("AWS_SECRET_ACCESS_KEY"),
        });
        const text = await refusal.catch((error: Error) => `${error.message} ${JSON.stringify(error)}`);
        expect(text).not.toContain(bucket.access.secretAccessKey);
        expect(text).not.toContain("wrong-secret");
      }
    });

    test("a missing bucket: StorageBucketMissing", async () => {
      const store = await open({ bucket: "no-such-bucket-anywhere" });
      for (const call of every(store)) {
        await expect(call()).rejects.toMatchObject({
          code: "StorageBucketMissing",
          message: expect.stringContaining("BACKUP_STORAGE_BUCKET"),
        });
      }
    });

    test("an endpoint where nobody answers: StorageUnreachable", async () => {
      const store = await open({ endpoint: `http://127.0.0.1:${await findFreePort()}` });
      for (const call of every(store)) {
        await expect(call()).rejects.toMatchObject({
          code: "StorageUnreachable",
          message: expect.stringContaining("BACKUP_STORAGE_ENDPOINT"),
          kind: { retryable: true, exitCode: 75 },
        });
      }
    });
  });

  describe("on a server of its own", () => {
    let folder: string;
    const say = (): void => {};
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "wedsync-s3-"));
    });
    afterAll(async () => {
      await rm(folder, { recursive: true, force: true });
    });

    test("that can only be read: StorageReadOnly", async () => {
      await mkdir(join(folder, "objects", "kept"), { recursive: true });
      const server = await startS3Server(folder, cacheFolder(process.env), say, ["--readonly"]);
      try {
        const store = await open({ ...server, bucket: "kept" });
        for (const size of [10, 6 * MiB])
          await expect(store.create(fresh(), randomBytes(size))).rejects.toMatchObject({ code: "StorageReadOnly" });
        expect(await store.stat("x")).toBeNull();
      } finally {
        await server.stop();
      }
    });

    const full = mountTmpfs(6 * MiB);
    afterAll(() => full?.unmount());
    test(`that is full: StorageFull${full === null ? " (no tmpfs can be mounted here: StorageFull is shown by the mapping alone)" : ""}`, async () => {
      if (full === null) return;
      await mkdir(join(full.path, "objects", "small"), { recursive: true });
      const server = await startS3Server(full.path, cacheFolder(process.env), say);
      try {
        const store = await open({ ...server, bucket: "small", partBytes: 64 * MiB });
        const key = fresh();
        await expect(store.create(key, randomBytes(8 * MiB))).rejects.toMatchObject({ code: "StorageFull" });
        expect(await store.stat(key)).toBeNull();
        await store.create(key, randomBytes(1000));
      } finally {
        await server.stop();
      }
    });
  });
});
