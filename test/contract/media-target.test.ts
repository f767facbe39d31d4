// What every media target does, on a folder and on a real S3 server: create, replace in one step, leave the old content when
// the new one breaks off, remove, and refuse a path that leads out.
import { createHash, randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { createBucketMediaSource } from "../../src/adapters/media-source/bucket.ts";
import { createFolderMediaSource } from "../../src/adapters/media-source/folder.ts";
import { createBucketMediaTarget } from "../../src/adapters/media-target/bucket.ts";
import { createFolderMediaTarget } from "../../src/adapters/media-target/folder.ts";
import type { MediaSource } from "../../src/ports/media-source.ts";
import type { MediaTarget } from "../../src/ports/media-target.ts";
import { createTestBucket } from "../support/test-bucket.ts";

async function* pieces(...parts: Buffer[]): AsyncGenerator<Buffer> {
  yield* parts;
}
async function* breaksOff(): AsyncGenerator<Buffer> {
  yield Buffer.from("half");
  throw new Error("the store went away");
}
const about = (sizeBytes: number) => ({ sizeBytes, modifiedAt: "2026-01-02T03:04:05.000Z" });
const hashOf = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wedsync-media-target-"));
  await mkdir(join(folder, "media"));
  await mkdir(join(folder, "outside"));
});
afterAll(async () => await rm(folder, { recursive: true, force: true }));

const kinds: readonly [string, () => Promise<{ target: MediaTarget; source: MediaSource }>][] = [
  [
    "folder",
    async () => ({
      target: createFolderMediaTarget(join(folder, "media")),
      source: createFolderMediaSource(join(folder, "media")),
    }),
  ],
  [
    "bucket",
    async () => {
      const { name, access } = await createTestBucket();
      const bucket = { bucket: name, prefix: "media/", region: "us-east-1", ...access };
      return { target: await createBucketMediaTarget(bucket), source: await createBucketMediaSource(bucket) };
    },
  ],
];

describe.each(kinds)("%s", (_, open) => {
  let target: MediaTarget;
  let source: MediaSource;
  beforeAll(async () => ({ target, source } = await open()));
  afterAll(async () => {
    await target.close();
    await source.close();
  });
  const read = async (path: string): Promise<Buffer | null> => {
    const file = await source.stat(path);
    return file === null ? null : await source.read(path, { offset: 0, length: file.sizeBytes });
  };

  test("creates, also below folders that are not there, and replaces", async () => {
    await target.write("a/b/photo 花.jpg", pieces(Buffer.from("one"), Buffer.from("two")), about(6));
    expect((await read("a/b/photo 花.jpg"))?.toString()).toBe("onetwo");
    await target.write("a/b/photo 花.jpg", pieces(Buffer.from("three")), about(5));
    expect((await read("a/b/photo 花.jpg"))?.toString()).toBe("three");
  });

  test("keeps the old content when the new one breaks off", async () => {
    await target.write("kept.jpg", pieces(Buffer.from("old")), about(3));
    await expect(target.write("kept.jpg", breaksOff(), about(8))).rejects.toMatchObject({ name: "BackupError" });
    expect((await read("kept.jpg"))?.toString()).toBe("old");
  });

  test("writes files of several parts bit for bit", async () => {
    const bytes = randomBytes(19 * 1024 * 1024);
    const parts = [bytes.subarray(0, 5_000_000), bytes.subarray(5_000_000, 17_000_000), bytes.subarray(17_000_000)];
    await target.write("large.bin", pieces(...parts), about(bytes.length));
    expect(hashOf((await read("large.bin")) ?? Buffer.alloc(0))).toBe(hashOf(bytes));
  });

  test("removes, and what is not there too", async () => {
    await target.write("gone.jpg", pieces(Buffer.from("x")), about(1));
    await target.remove("gone.jpg");
    await target.remove("gone.jpg");
    expect(await read("gone.jpg")).toBeNull();
  });

  test.each(["../outside/x.jpg", "a/../../outside/x.jpg", "", ".."])("refuses %j", async (path) => {
    await expect(target.write(path, pieces(Buffer.from("x")), about(1))).rejects.toMatchObject({
      code: "MediaAccessDenied",
    });
    await expect(target.remove(path)).rejects.toMatchObject({ code: "MediaAccessDenied" });
  });
});

test("a folder's symbolic links lead nowhere outside", async () => {
  await symlink(join(folder, "outside"), join(folder, "media", "link"));
  await writeFile(join(folder, "outside", "there.jpg"), "theirs");
  const target = createFolderMediaTarget(join(folder, "media"));
  for (const path of ["link/x.jpg", "link/deep/x.jpg", "link/there.jpg"]) {
    await expect(target.write(path, pieces(Buffer.from("x")), about(1))).rejects.toMatchObject({
      code: "MediaAccessDenied",
    });
    await expect(target.remove(path)).rejects.toMatchObject({ code: "MediaAccessDenied" });
  }
  expect(await readdir(join(folder, "outside"))).toEqual(["there.jpg"]);
  expect(await readFile(join(folder, "outside", "there.jpg"), "utf8")).toBe("theirs");
  expect((await readdir(join(folder, "media"))).filter((name) => name.startsWith(".wedsync"))).toEqual([]);
});
