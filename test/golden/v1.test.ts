// A promise: test/golden/v1 was written by format version 1 and is never changed. Neither is this test.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
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

const folder = fileURLToPath(new URL("./v1/", import.meta.url));
const store = createFilesystemStore({ rootDir: `${folder}repository` });
const readExpected = async () => JSON.parse(await readFile(`${folder}expected.json`, "utf8")) as Expected[];
const readKey = () => readFile(`${folder}key.txt`, "utf8");

test("repositories written by format version 1 can always be opened", async () => {
  const expected = await readExpected();
  const repository = await openRepository(store, await readKey());
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

test("repositories written by format version 1 can be read by a program that knows FORMAT.md and nothing of the product", async () => {
  const target = await mkdtemp(join(tmpdir(), "read-backup-"));
  const script = fileURLToPath(new URL("../../scripts/read-backup.mjs", import.meta.url));
  const env = { ...process.env, NODE_OPTIONS: "", BACKUP_ENCRYPTION_KEY: await readKey() };
  try {
    for (const [index, each] of (await readExpected()).entries()) {
      const out = join(target, String(index));
      const parameters = [script, `${folder}repository`, each.organizationId, String(each.sequence), out];
      await promisify(execFile)(process.execPath, parameters, { env });
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
});
