// A promise: test/golden/v1 was written by format version 1 and is never changed. Neither is this test.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "@jest/globals";
import { createFilesystemStore } from "../../src/adapters/object-store/filesystem.ts";
import { openRepository } from "../../src/repository/repository.ts";
import { verifyContent } from "../../src/repository/verify-content.ts";
import { verifyIntegrity } from "../../src/repository/verify-integrity.ts";
import { readEverything } from "../support/small-repository.ts";

interface Expected {
  readonly organizationId: string;
  readonly sequence: number;
  readonly backupId: string;
  readonly complete: boolean;
  readonly manifestHash: string;
  readonly verificationKey: string;
  readonly content: readonly { name: string; sizeBytes: number; sha256: string }[];
}

/** The same content, under a root key of 32 bytes and under a passphrase. */
const kinds = ["key", "passphrase"];
const folderOf = (kind: string): string => fileURLToPath(new URL(`./v1/${kind}/`, import.meta.url));
const readExpected = async (folder: string) =>
  JSON.parse(await readFile(`${folder}expected.json`, "utf8")) as Expected[];
const readKey = (folder: string) => readFile(`${folder}key.txt`, "utf8");

test.each(kinds)("repositories written by format version 1 can always be opened: by a %s", async (kind) => {
  const folder = folderOf(kind);
  const store = createFilesystemStore({ rootDir: `${folder}repository` });
  const expected = await readExpected(folder);
  const repository = await openRepository(store, await readKey(folder));
  const ids = [...new Set(expected.map((each) => each.organizationId))];
  expect(new Set(await repository.listOrganizations())).toEqual(new Set(ids));
  for (const id of ids) {
    const own = expected.filter((each) => each.organizationId === id);
    const vault = await repository.openVault(id);
    expect((await vault.listManifests()).map((each) => each.backupId)).toEqual(own.map((each) => each.backupId));
    expect(vault.exportVerificationKey()).toBe(own[0]?.verificationKey);
    const integrity = await verifyIntegrity(store, id, vault.exportVerificationKey());
    expect([integrity.problems, integrity.notes, integrity.manifests]).toEqual([[], [], own.length]);
    for (const each of own) {
      const { manifest, hash } = await vault.readManifest(each.sequence);
      expect([hash, manifest.complete]).toEqual([each.manifestHash, each.complete]);
      expect((await verifyContent(vault, manifest)).problems).toEqual([]);
      const content = Object.entries(await readEverything(vault, manifest)).map(([name, bytes]) => ({
        name,
        sizeBytes: bytes.length,
        sha256: createHash("sha256").update(bytes).digest("hex"),
      }));
      expect(content).toEqual(each.content);
    }
  }
});

test.each(kinds)(
  "repositories written by format version 1 can be read by a program that knows FORMAT.md and nothing of the product: by a %s",
  async (kind) => {
    const folder = folderOf(kind);
    const target = await mkdtemp(join(tmpdir(), "read-backup-"));
    const key = await readKey(folder);
    try {
      for (const [index, each] of (await readExpected(folder)).entries()) {
        const out = join(target, String(index));
        const { organizationId, sequence } = each;
        await readAlone(`${folder}repository`, key, [organizationId, String(sequence), out]);
        const written = JSON.parse(await readFile(join(out, "index.json"), "utf8")) as { file: string; name: string }[];
        const content = [];
        for (const { file, name } of written) {
          const bytes = await readFile(join(out, file));
          const sha256 = createHash("sha256").update(bytes).digest("hex");
          content.push({ name, sizeBytes: bytes.length, sha256 });
        }
        expect(content).toEqual(each.content);
      }
    } finally {
      await rm(target, { recursive: true });
    }
  },
);

test("that program refuses a repository with a changed byte in any object that the backup needs", async () => {
  const folder = folderOf("key");
  const target = await mkdtemp(join(tmpdir(), "read-backup-"));
  const copy = join(target, "repository");
  const key = await readKey(folder);
  const each = (await readExpected(folder))[2] as Expected;
  const read = () => readAlone(copy, key, [each.organizationId, String(each.sequence), join(target, "out")]);
  try {
    await cp(`${folder}repository`, copy, { recursive: true });
    await read();
    const vault = await (
      await openRepository(createFilesystemStore({ rootDir: copy }), key)
    ).openVault(each.organizationId);
    const { manifest } = await vault.readManifest(each.sequence);
    const own = join("organizations", each.organizationId);
    const [root = ""] = await readdir(join(copy, "roots"));
    const packs = manifest.packs.map(({ name }) => join(own, "packs", name));
    const manifestFile = join(own, "manifests", String(each.sequence).padStart(10, "0"));
    const records = ["repository", join("roots", root), join(own, "keys", `1.${root}`)];
    for (const file of [...records, manifestFile, ...packs]) {
      const bytes = await readFile(join(copy, file));
      for (const at of [0, bytes.length >> 1, bytes.length - 1]) {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] as number) ^ 1;
        await writeFile(join(copy, file), changed);
        await expect(read()).rejects.toThrow();
      }
      await writeFile(join(copy, file), bytes);
    }
    await read();
  } finally {
    await rm(target, { recursive: true });
  }
});

function readAlone(repository: string, key: string, parameters: readonly string[]) {
  const script = fileURLToPath(new URL("../../scripts/read-backup.mjs", import.meta.url));
  const env = { ...process.env, NODE_OPTIONS: "", BACKUP_ENCRYPTION_KEY: key };
  return promisify(execFile)(process.execPath, [script, repository, ...parameters], { env });
}
