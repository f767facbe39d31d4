// What every object store must do. Each adapter runs this whole suite against its real thing.
import { randomBytes, randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { BackupError } from "../../src/domain/errors.ts";
import type { ObjectStore } from "../../src/ports/object-store.ts";

export interface StoreUnderTest {
  readonly store: ObjectStore;
  /** Bodies larger than this go up in parts, where the adapter has parts. */
  readonly largeBytes: number;
  close(): Promise<void>;
}

export function describeObjectStore(title: string, open: () => Promise<StoreUnderTest>): void {
  describe(title, () => {
    let subject: StoreUnderTest;
    let store: ObjectStore;
    /** A key that no other test uses. */
    const fresh = (suffix = "object"): string => `contract/${randomUUID()}/${suffix}`;
    const listed = async (prefix: string): Promise<string[]> => {
      const keys: string[] = [];
      for await (const { key } of store.list(prefix)) keys.push(key);
      return keys;
    };

    beforeAll(async () => {
      subject = await open();
      store = subject.store;
    });
    afterAll(async () => {
      await subject?.close();
    });

    describe("creating", () => {
      test.each([0, 1, 4096, 3_000_000])("keeps %d bytes", async (size) => {
        const [key, body] = [fresh(), randomBytes(size)];
        await store.create(key, body);
        expect((await store.read(key)).equals(body)).toBe(true);
        const seen = await store.stat(key);
        expect(seen).toMatchObject({ key, sizeBytes: size });
        expect(seen?.modifiedAt.getTime()).toBeGreaterThan(Date.parse("2020-01-01"));
      });

      test("keeps a large body, and ranges of it across its parts", async () => {
        const [key, body] = [fresh("large"), randomBytes(subject.largeBytes)];
        await store.create(key, body);
        expect((await store.read(key)).equals(body)).toBe(true);
        for (const offset of [0, 5 * 1024 * 1024 - 7, body.length - 10]) {
          const range = { offset, length: 100 };
          expect((await store.read(key, { range })).equals(body.subarray(offset, offset + 100))).toBe(true);
        }
        await expect(store.create(key, randomBytes(subject.largeBytes))).rejects.toMatchObject({
          code: "ObjectExists",
        });
        expect((await store.read(key)).equals(body)).toBe(true);
      });

      test("takes a view into a larger buffer as what it is", async () => {
        const key = fresh();
        await store.create(key, Buffer.from("before-body-after").subarray(7, 11));
        expect((await store.read(key)).toString()).toBe("body");
      });

      test("never overwrites", async () => {
        const key = fresh();
        await store.create(key, Buffer.from("first"));
        const again = store.create(key, Buffer.from("second"));
        await expect(again).rejects.toBeInstanceOf(BackupError);
        await expect(again).rejects.toMatchObject({ code: "ObjectExists", message: expect.stringContaining(key) });
        expect((await store.read(key)).toString()).toBe("first");
      });

      test.each([1, 5])("has one winner in a race of eight (round %d)", async () => {
        const key = fresh();
        const bodies = Array.from({ length: 8 }, (_, number) => Buffer.alloc(100_000, `racer ${number} `));
        const results = await Promise.allSettled(bodies.map((body) => store.create(key, body)));
        const winners = results.flatMap((result, number) => (result.status === "fulfilled" ? [number] : []));
        expect(winners).toHaveLength(1);
        for (const result of results)
          if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "ObjectExists" });
        expect((await store.read(key)).equals(bodies[winners[0] as number] as Buffer)).toBe(true);
        expect(await listed(key)).toEqual([key]);
      });

      test("shows all of an object or nothing", async () => {
        const [key, body] = [fresh(), randomBytes(subject.largeBytes)];
        let over = false;
        const writing = store.create(key, body).finally(() => (over = true));
        let looks = 0;
        while (!over) {
          const seen = await store.stat(key);
          if (seen !== null) expect(seen.sizeBytes).toBe(body.length);
          for await (const { sizeBytes } of store.list(key)) expect(sizeBytes).toBe(body.length);
          looks += 1;
        }
        await writing;
        expect(looks).toBeGreaterThan(0);
        expect((await store.read(key)).equals(body)).toBe(true);
      });

      test("does nothing when it is cancelled before", async () => {
        const key = fresh();
        const reason = new Error("cancelled");
        await expect(store.create(key, Buffer.from("x"), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
        expect(await store.stat(key)).toBeNull();
      });

      test("leaves all or nothing when it is cancelled on the way", async () => {
        const [key, body] = [fresh(), randomBytes(subject.largeBytes)];
        const stop = new AbortController();
        const reason = new Error("cancelled");
        const writing = store.create(key, body, { signal: stop.signal });
        setImmediate(() => stop.abort(reason));
        const result = await writing.then(
          () => "written",
          (error: unknown) => error,
        );
        if (result === "written") expect((await store.read(key)).equals(body)).toBe(true);
        else {
          expect(result).toBe(reason);
          const seen = await store.stat(key);
          if (seen !== null) expect(seen.sizeBytes).toBe(body.length);
        }
      });
    });

    describe("reading", () => {
      const body = Buffer.from("0123456789");
      let key: string;
      beforeAll(async () => {
        key = fresh();
        await store.create(key, body);
      });

      test.each([
        [0, 4, "0123"],
        [4, 3, "456"],
        [9, 1, "9"],
        [8, 100, "89"],
        [10, 5, ""],
        [1000, 5, ""],
        [3, 0, ""],
        [1000, 0, ""],
      ])("from %d, %d bytes: %j", async (offset, length, expected) => {
        expect((await store.read(key, { range: { offset, length } })).toString()).toBe(expected);
      });

      test("an empty object in ranges is empty", async () => {
        const empty = fresh();
        await store.create(empty, Buffer.alloc(0));
        for (const length of [0, 10]) expect(await store.read(empty, { range: { offset: 0, length } })).toHaveLength(0);
      });

      test.each([
        [-1, 5],
        [0, -5],
        [0.5, 5],
        [0, Number.NaN],
      ])("refuses a range from %d, %d bytes", async (offset, length) => {
        await expect(store.read(key, { range: { offset, length } })).rejects.toMatchObject({ code: "UsageInvalid" });
      });

      test("says that an object is missing, also when no byte of it is asked for", async () => {
        const absent = fresh();
        for (const range of [undefined, { offset: 0, length: 5 }, { offset: 0, length: 0 }]) {
          await expect(store.read(absent, range === undefined ? {} : { range })).rejects.toMatchObject({
            code: "ObjectMissing",
            message: expect.stringContaining(absent),
          });
        }
        expect(await store.stat(absent)).toBeNull();
      });

      test("what only begins like an object is none", async () => {
        const folder = key.slice(0, key.lastIndexOf("/"));
        expect(await store.stat(folder)).toBeNull();
        await expect(store.read(folder)).rejects.toMatchObject({ code: "ObjectMissing" });
        expect(await store.stat(`${key}/below`)).toBeNull();
        await expect(store.read(`${key}/below`)).rejects.toMatchObject({ code: "ObjectMissing" });
      });

      test("stops when it is cancelled", async () => {
        const reason = new Error("cancelled");
        await expect(store.read(key, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
      });
    });

    describe("listing", () => {
      test("gives every key below a prefix once, in key order", async () => {
        const prefix = `contract/${randomUUID()}/`;
        const names = ["a", "a-b", "a.b", "a/b", "a/c/d", "a0", "A", "b", "B/c", "b/", "~"].map((key) =>
          key.endsWith("/") ? `${key}x` : key,
        );
        // A store that keeps objects as files can't have "a" and "a/b"; the repository never writes such keys.
        const keys = names.filter((key) => key !== "a" && key !== "b").map((key) => prefix + key);
        for (const key of keys) await store.create(key, Buffer.from(key));
        const sorted = keys.toSorted();
        expect(await listed(prefix)).toEqual(sorted);
        expect(await listed(`${prefix}a`)).toEqual(sorted.filter((key) => key.startsWith(`${prefix}a`)));
        expect(await listed(`${prefix}a/`)).toEqual([`${prefix}a/b`, `${prefix}a/c/d`]);
        expect(await listed(`${prefix}a/c/d`)).toEqual([`${prefix}a/c/d`]);
        expect(await listed(`${prefix}nothing`)).toEqual([]);
        expect(await listed(`${prefix}nothing/at/all`)).toEqual([]);
      });

      test("goes beyond a thousand keys", async () => {
        const prefix = `contract/${randomUUID()}/`;
        const keys = Array.from({ length: 1_205 }, (_, number) => `${prefix}${String(number * 7).padStart(6, "0")}`);
        for (let at = 0; at < keys.length; at += 16)
          await Promise.all(keys.slice(at, at + 16).map((key) => store.create(key, Buffer.from("x"))));
        const found: { key: string; sizeBytes: number; modifiedAt: Date }[] = [];
        for await (const object of store.list(prefix)) found.push(object);
        expect(found.map((object) => object.key)).toEqual(keys);
        for (const { sizeBytes, modifiedAt } of found) {
          expect(sizeBytes).toBe(1);
          expect(modifiedAt.getTime()).toBeGreaterThan(Date.parse("2020-01-01"));
        }
        await store.delete(keys);
        expect(await listed(prefix)).toEqual([]);
      });

      test.each(["../", "/", "a//b", "a/../b", "a/.hidden/", "ü/"])("refuses the prefix %j", async (prefix) => {
        await expect(listed(prefix)).rejects.toMatchObject({ code: "UsageInvalid" });
      });
    });

    describe("deleting", () => {
      test("removes what is named and nothing else; what is not there is deleted already", async () => {
        const [one, other, absent] = [fresh("one"), fresh("other"), fresh("absent")];
        await store.create(one, Buffer.from("1"));
        await store.create(other, Buffer.from("2"));
        await store.delete([one, absent]);
        await store.delete([one, absent]);
        await store.delete([]);
        expect(await store.stat(one)).toBeNull();
        expect((await store.read(other)).toString()).toBe("2");
        await store.create(one, Buffer.from("again"));
        expect((await store.read(one)).toString()).toBe("again");
      });

      test("deletes nothing when one of the keys is refused", async () => {
        const key = fresh();
        await store.create(key, Buffer.from("x"));
        await expect(store.delete([key, "../x"])).rejects.toMatchObject({ code: "UsageInvalid" });
        expect(await store.stat(key)).not.toBeNull();
      });
    });

    test.each([
      "",
      "/etc/passwd",
      "../outside",
      "a/../../outside",
      "a/./b",
      "a//b",
      "a/",
      ".hidden",
      "a/.hidden",
      "a\\b",
      "a\0b",
      "a\nb",
      "a b",
      "grün",
      "x".repeat(256),
      Array.from({ length: 300 }, () => "xxxx").join("/"),
    ])("refuses the key %j", async (key) => {
      const body = Buffer.from("x");
      for (const call of [
        () => store.create(key, body),
        () => store.read(key),
        () => store.stat(key),
        () => store.delete([key]),
      ])
        await expect(call()).rejects.toMatchObject({ code: "UsageInvalid" });
    });

    test("takes a key that is as long as a key may be", async () => {
      const key = `contract/${randomUUID()}/${"x".repeat(255)}/${"y".repeat(255)}`;
      await store.create(key, Buffer.from("x"));
      expect(await listed(key)).toEqual([key]);
    });

    test("describes itself without secrets", () => {
      expect(store.description).not.toBe("");
      for (const variable of ["TEST_S3_ACCESS_KEY", "TEST_S3_SECRET_KEY"])
        expect(store.description).not.toContain(process.env[variable]);
    });
  });
}
