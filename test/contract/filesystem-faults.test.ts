// What a disk can do to the filesystem store: fill up, be read-only, be pulled away in the middle of a write.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { createFilesystemStore } from "../../src/adapters/object-store/filesystem.ts";
import { draftPath, draftsFolder } from "../../src/adapters/object-store/filesystem-drafts.ts";
import { openObjectStore, type StorageSettings } from "../../src/adapters/object-store/open-object-store.ts";
import type { ObjectStore } from "../../src/ports/object-store.ts";
import { mountTmpfs } from "../support/mount.ts";

const MiB = 1024 * 1024;

describe("the filesystem store", () => {
  let rootDir: string;
  beforeEach(async () => {
    rootDir = await mkdtemp(join(tmpdir(), "wedsync-store-"));
  });
  afterEach(async () => {
    await rm(rootDir, { recursive: true, force: true });
  });
  const settings = (): StorageSettings => ({
    provider: "filesystem",
    bucket: rootDir,
    region: null,
    endpoint: null,
    accessKeyId: null,
    secretAccessKey: null,
    sessionToken: null,
    serverSideEncryption: null,
  });
  const listAll = async (store: ObjectStore): Promise<string[]> => {
    const keys: string[] = [];
    for await (const { key } of store.list("")) keys.push(key);
    return keys;
  };
  const drafts = async (): Promise<string[]> => await readdir(join(rootDir, draftsFolder));

  test("lists nothing of a write that was killed, and sweeps it at the next start", async () => {
    const code = `
      import { createFilesystemStore } from ${JSON.stringify(fileURLToPath(new URL("../../src/adapters/object-store/filesystem.ts", import.meta.url)))};
      const store = createFilesystemStore({ rootDir: ${JSON.stringify(rootDir)} });
      await store.create("done", Buffer.from("x"));
      const body = Buffer.alloc(${256 * MiB}, 7);
      for (let number = 0; number < 40; number++) await store.create("cut/" + number, body);
    `;
    const writer = spawn(
      process.execPath,
      ["--disable-warning=ExperimentalWarning", "--input-type=module", "-e", code],
      {
        stdio: "ignore",
      },
    );
    for (;;) {
      const found = await drafts().catch(() => []);
      if (found.length > 0 && (await createFilesystemStore({ rootDir }).stat("done")) !== null) break;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    writer.kill("SIGKILL");
    await once(writer, "exit");
    const left = await drafts();
    const listed = await listAll(createFilesystemStore({ rootDir }));
    expect(listed).toContain("done");
    for (const key of listed.filter((each) => each !== "done"))
      expect(await createFilesystemStore({ rootDir }).stat(key)).toMatchObject({ sizeBytes: 256 * MiB });
    expect(left.length).toBeLessThanOrEqual(1);
    await (await openObjectStore(settings())).close();
    expect(await drafts()).toEqual([]);
  });

  test("sweeps drafts of dead and forgotten writers only", async () => {
    const store = createFilesystemStore({ rootDir });
    await store.create("first", Buffer.from("x"));
    const longAgo = new Date(Date.now() - 48 * 60 * 60 * 1000);
    const make = async (name: string, at = new Date()): Promise<void> => {
      await writeFile(join(rootDir, draftsFolder, name), "half");
      await utimes(join(rootDir, draftsFolder, name), at, at);
    };
    const own = draftPath(rootDir).split("/").at(-1) as string;
    const dead = spawn(process.execPath, ["-e", ""]);
    await once(dead, "exit");
    await make(own);
    await make(own.replace(`~${process.pid}~`, `~${dead.pid}~`));
    await make("another-machine~17~young");
    await make("another-machine~17~old", longAgo);
    await openObjectStore(settings());
    expect((await drafts()).sort()).toEqual(["another-machine~17~young", own].sort());
  });

  test("leaves no draft behind, whatever the end of a write", async () => {
    const store = createFilesystemStore({ rootDir });
    await store.create("a", Buffer.from("x"));
    await store.create("a", Buffer.from("y")).catch(() => {}); // it exists
    await store.create("a/below", Buffer.from("y")).catch(() => {}); // it can't
    const stop = new AbortController();
    const writing = store.create("b", Buffer.alloc(64 * MiB), { signal: stop.signal }).catch(() => {}); // cancelled
    stop.abort();
    await writing;
    expect(await drafts()).toEqual([]);
  });

  test("refuses an object below another", async () => {
    const store = createFilesystemStore({ rootDir });
    await store.create("a", Buffer.from("x"));
    await expect(store.create("a/below", Buffer.from("y"))).rejects.toMatchObject({ code: "StorageRejected" });
    await store.create("b/c", Buffer.from("x"));
    await expect(store.create("b", Buffer.from("y"))).rejects.toMatchObject({ code: "ObjectExists" });
  });

  test("writes again after its folder was taken away", async () => {
    const store = createFilesystemStore({ rootDir });
    await store.create("a/b", Buffer.from("x"));
    await rm(rootDir, { recursive: true });
    const again = await store.create("a/b", Buffer.from("x")).then(
      () => true,
      () => false,
    );
    if (!again) await store.create("a/b", Buffer.from("x"));
    expect((await store.read("a/b")).toString()).toBe("x");
  });

  test("finds what was moved to another disk and linked", async () => {
    const store = createFilesystemStore({ rootDir });
    await store.create("a/b/c", Buffer.from("x"));
    await rename(join(rootDir, "a"), `${rootDir}-elsewhere`);
    await symlink(`${rootDir}-elsewhere`, join(rootDir, "a"));
    expect(await listAll(store)).toEqual(["a/b/c"]);
    expect((await store.read("a/b/c")).toString()).toBe("x");
    await rm(`${rootDir}-elsewhere`, { recursive: true });
  });

  test("is its owner's alone", async () => {
    const store = createFilesystemStore({ rootDir });
    await store.create("a/b", Buffer.from("x"));
    expect((await stat(join(rootDir, "a"))).mode & 0o077).toBe(0);
    expect((await stat(join(rootDir, "a", "b"))).mode & 0o077).toBe(0);
  });

  const disk = mountTmpfs(4 * MiB);
  afterAll(() => disk?.unmount());
  const onDisk = disk === null ? " (no small disk can be mounted here: not shown)" : "";

  test(`says StorageFull on a full disk, keeps what is there, and goes on when there is room${onDisk}`, async () => {
    if (disk === null) return;
    const store = createFilesystemStore({ rootDir: join(disk.path, "repository") });
    await store.create("kept", Buffer.from("x"));
    await expect(store.create("large", Buffer.alloc(8 * MiB))).rejects.toMatchObject({
      code: "StorageFull",
      kind: { retryable: true, exitCode: 75 },
      message: expect.stringContaining("no room"),
    });
    expect(await listAll(store)).toEqual(["kept"]);
    expect(await readdir(join(disk.path, "repository", draftsFolder))).toEqual([]);
    await store.create("small", Buffer.alloc(MiB));
    expect(await listAll(store)).toEqual(["kept", "small"]);
  });

  test(`says StorageReadOnly on a read-only disk, and reads on${onDisk}`, async () => {
    if (disk === null) return;
    disk.makeReadOnly();
    try {
      for (const folder of ["repository", "a new one"]) {
        const store = await openObjectStore({ ...settings(), bucket: join(disk.path, folder) });
        await expect(store.create("new", Buffer.from("x"))).rejects.toMatchObject({ code: "StorageReadOnly" });
      }
      const store = createFilesystemStore({ rootDir: join(disk.path, "repository") });
      expect((await store.read("kept")).toString()).toBe("x");
      await expect(store.delete(["kept"])).rejects.toMatchObject({ code: "StorageReadOnly" });
      expect(await listAll(store)).toEqual(["kept", "small"]);
    } finally {
      disk.makeWritable();
    }
  });

  test("says StorageAccessDenied where it may not write", async () => {
    const closed = join(rootDir, "closed");
    await mkdir(closed, { recursive: true });
    const open = close(closed);
    try {
      const store = createFilesystemStore({ rootDir: closed });
      await expect(store.create("a", Buffer.from("x"))).rejects.toMatchObject({
        code: "StorageAccessDenied",
        message: expect.stringContaining("BACKUP_STORAGE_BUCKET"),
      });
    } finally {
      open();
    }
  });
});

/** Takes away the right to write; from root, whom no mode stops, by the immutable flag. @returns how to give it back. */
function close(path: string): () => void {
  if (process.getuid?.() !== 0) {
    chmodSync(path, 0o500);
    return () => chmodSync(path, 0o700);
  }
  execFileSync("chattr", ["+i", path]);
  return () => void execFileSync("chattr", ["-i", path]);
}
