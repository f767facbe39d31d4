// Files in a real folder, collected by themselves: their parts, and what happens to one that is begun before its turn.
import { createHash, randomBytes } from "node:crypto";
import { appendFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import type { BackupSession } from "../../../activities/backup-session.ts";
import { collectFiles } from "../../../activities/collect-media.ts";
import type { FileProgress, MediaPath } from "../../../activities/organization-progress.ts";
import { createFolderMediaSource } from "../../../src/adapters/media-source/folder.ts";
import { createMemoryStore } from "../../../src/adapters/object-store/memory.ts";
import type { MediaSource } from "../../../src/ports/media-source.ts";
import { createOrOpenRepository } from "../../../src/repository/repository.ts";
import type { OrganizationVault } from "../../../src/repository/vault.ts";
import { outcomeOf } from "../../support/outcome.ts";
import { smallKey } from "../../support/small-repository.ts";

const partBytes = 4 * 1024 * 1024;
const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

let folder: string;
let vault: OrganizationVault;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "media-"));
  vault = await (await createOrOpenRepository(createMemoryStore(), smallKey)).openVault("a", { create: true });
});
afterEach(async () => await rm(folder, { recursive: true }));

async function collect(names: readonly string[], change: Partial<MediaSource> = {}) {
  const media: MediaSource = { ...createFolderMediaSource(folder), ...change };
  const session = {
    comparable: [],
    measure: <T>(work: () => T): T => work(),
    parts: { media, vault, organizationId: "a", held: { closure: { catalogue: {} } } },
  } as unknown as BackupSession;
  const files: FileProgress[] = [];
  const missing: MediaPath[] = [];
  const parts: Buffer[] = [];
  const wanted = names.map((path) => ({ path, table: "photos" }));
  for await (const part of collectFiles(session, wanted, files, missing)) {
    if (part === null) continue;
    expect(part.id).toBe(vault.segmentId(part.raw));
    parts.push(Buffer.from(part.raw));
  }
  return { files, missing, parts };
}

test("gives the parts of every file in order, with the hash of the whole, whatever its size", async () => {
  const sizes = [0, 1, partBytes - 1, partBytes, partBytes + 1, 2 * partBytes, 2 * partBytes + 5, 3];
  const contents = sizes.map((size) => randomBytes(size));
  for (const [index, content] of contents.entries()) await writeFile(join(folder, `${index}.jpg`), content);
  const names = contents.map((_, index) => `${index}.jpg`);
  const { files, missing, parts } = await collect(names);
  expect(missing).toEqual([]);
  expect(files.map(({ path, done }) => [path, done])).toEqual(names.map((name) => [name, true]));
  for (const [index, content] of contents.entries()) {
    const { parts: references, sha256: hash } = files[index] as FileProgress;
    expect(hash).toBe(sha256(content));
    const mine = parts.splice(0, references.length);
    expect(Buffer.concat(mine).equals(content)).toBe(true);
    expect(references).toEqual(mine.map((raw) => ({ id: vault.segmentId(raw), rawBytes: raw.length })));
    expect(references.every(({ rawBytes }) => rawBytes <= partBytes)).toBe(true);
  }
  expect(parts).toEqual([]);
});

test("keeps the order when an earlier file comes later than the ones behind it, and begins few before their turn", async () => {
  const names = Array.from({ length: 12 }, (_, index) => `${String(index).padStart(2, "0")}.jpg`);
  for (const name of names) if (name !== "01.jpg") await writeFile(join(folder, name), name);
  const source = createFolderMediaSource(folder);
  let begun = 0;
  let handedOut = 0;
  let mostAhead = 0;
  const { files, missing, parts } = await collect(names, {
    async stat(path) {
      if (path === "00.jpg") await new Promise((resolve) => setTimeout(resolve, 50));
      return await source.stat(path);
    },
    async read(path, range) {
      mostAhead = Math.max(mostAhead, (begun += 1) - handedOut);
      const bytes = await source.read(path, range);
      setImmediate(() => (handedOut += 1));
      return bytes;
    },
  });
  expect(files.map(({ path }) => path)).toEqual(names.filter((name) => name !== "01.jpg"));
  expect(missing).toEqual([{ path: "01.jpg", table: "photos" }]);
  expect(parts.map(String)).toEqual(files.map(({ path }) => path));
  expect(mostAhead).toBeGreaterThan(1);
  expect(mostAhead).toBeLessThanOrEqual(4);
});

test.each([
  ["in one part", 100],
  ["in several parts", 2 * partBytes + 1],
])("a file %s that changes while it is read is not taken for what it was", async (_, size) => {
  await writeFile(join(folder, "first.jpg"), "untouched");
  await writeFile(join(folder, "second.jpg"), randomBytes(size));
  const source = createFolderMediaSource(folder);
  const change: Partial<MediaSource> = {
    async read(path, range) {
      const bytes = await source.read(path, range);
      if (path === "second.jpg") await appendFile(join(folder, path), "more");
      return bytes;
    },
  };
  expect(await outcomeOf(() => collect(["first.jpg", "second.jpg"], change))).toBe("MediaUnreachable");
});

test("what fails before its turn is heard of in its turn, once those before it are safe", async () => {
  for (const name of ["0.jpg", "1.jpg", "2.jpg"]) await writeFile(join(folder, name), name);
  const source = createFolderMediaSource(folder);
  const failing: Partial<MediaSource> = {
    async read(path, range) {
      if (path === "2.jpg") throw new Error("the disk");
      return await source.read(path, range);
    },
  };
  const media: MediaSource = { ...source, ...failing };
  const session = {
    comparable: [],
    parts: { media, vault, organizationId: "a", held: { closure: { catalogue: {} } } },
  } as unknown as BackupSession;
  const files: FileProgress[] = [];
  const walk = collectFiles(
    session,
    ["0.jpg", "1.jpg", "2.jpg"].map((path) => ({ path, table: "photos" })),
    files,
    [],
  );
  await walk.next();
  await new Promise((resolve) => setTimeout(resolve, 20));
  await walk.next();
  await expect(walk.next()).rejects.toThrow("the disk");
  expect(files.map(({ path, done }) => [path, done])).toEqual([
    ["0.jpg", true],
    ["1.jpg", true],
  ]);
});
