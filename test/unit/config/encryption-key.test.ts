import { chmod, mkdtemp, readFile, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "@jest/globals";
import { parseConfig } from "../../../src/config/config.ts";
import { findEncryptionKey } from "../../../src/config/encryption-key.ts";

describe("the encryption key", () => {
  let folder: string;
  const config = (environment: Record<string, string> = {}) =>
    parseConfig({ BACKUP_DATA_DIR: join(folder, "data"), ...environment }, { cwd: folder });
  const path = (): string => join(folder, "data", "encryption-key");

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "wedsync-key-"));
  });

  test("is made once for the embedded demonstration, for its owner's eyes only, and said", async () => {
    const said: string[] = [];
    const key = await findEncryptionKey(config(), (line) => said.push(line));
    expect(Buffer.from(key, "base64")).toHaveLength(32);
    expect((await stat(path())).mode & 0o777).toBe(0o600);
    expect((await readFile(path(), "utf8")).trim()).toBe(key);
    expect(said.join()).toContain(path());
    expect(said.join()).not.toContain(key);
    expect(await findEncryptionKey(config(), () => {})).toBe(key);
  });

  test("is made once also by several at a time", async () => {
    const keys = await Promise.all(Array.from({ length: 8 }, () => findEncryptionKey(config(), () => {})));
    expect(new Set(keys).size).toBe(1);
  });

  test("from the environment counts before the file", async () => {
    await findEncryptionKey(config(), () => {});
    const asked = "x".repeat(40);
    expect(await findEncryptionKey(config({ BACKUP_ENCRYPTION_KEY: asked }), () => {})).toBe(asked);
  });

  test("is never made for a bucket, which outlives the machine", async () => {
    const bucket = config({ BACKUP_STORAGE_PROVIDER: "aws", BACKUP_STORAGE_BUCKET: "bucket" });
    await findEncryptionKey(config(), () => {});
    await expect(findEncryptionKey(bucket, () => {})).rejects.toMatchObject({
      code: "EncryptionKeyInvalid",
      message: expect.stringContaining("openssl rand"),
    });
  });

  test("in a file that others can read is told", async () => {
    await findEncryptionKey(config(), () => {});
    await chmod(path(), 0o644);
    const said: string[] = [];
    await findEncryptionKey(config(), (line) => said.push(line));
    expect(said).toEqual([expect.stringContaining("chmod 600")]);
  });

  test("file that was cut off is refused, not replaced", async () => {
    await findEncryptionKey(config(), () => {});
    await writeFile(path(), "");
    await expect(findEncryptionKey(config(), () => {})).rejects.toMatchObject({ code: "EncryptionKeyInvalid" });
  });
});
