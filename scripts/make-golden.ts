// Writes the golden repositories of a format version, one opened by a key and one by a passphrase:
// `node scripts/make-golden.ts v1`. Done once for each released version;
// an existing one is never touched, because later versions must read what was written then.
import { createHash } from "node:crypto";
import { access, mkdir, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { createFilesystemStore } from "../src/adapters/object-store/filesystem.ts";
import { makeSmallRepository, readEverything, smallKey } from "../test/support/small-repository.ts";

const version = process.argv[2] ?? "";
if (!/^v\d+$/.test(version)) throw new Error("usage: node scripts/make-golden.ts v1");
const folder = fileURLToPath(new URL(`../test/golden/${version}/`, import.meta.url));
const exists = await access(folder).then(
  () => true,
  () => false,
);
if (exists) throw new Error(`${folder} exists and is never written again`);
for (const [kind, keyText] of [
  ["key", smallKey],
  ["passphrase", "passphrase:Zoë and Jörg, married in Århus"],
] as const) {
  const target = `${folder}${kind}/`;
  await mkdir(target, { recursive: true });
  const store = createFilesystemStore({ rootDir: `${target}repository` });
  const { repository, backups } = await makeSmallRepository(store, keyText);
  const expected = [];
  for (const { organizationId, sequence } of backups) {
    const vault = await repository.openVault(organizationId);
    const { manifest, hash } = await vault.readManifest(sequence);
    const content = Object.entries(await readEverything(vault, manifest)).map(([name, bytes]) => ({
      name,
      sizeBytes: bytes.length,
      sha256: createHash("sha256").update(bytes).digest("hex"),
    }));
    const { backupId, complete } = manifest;
    const verificationKey = vault.exportVerificationKey();
    expected.push({ organizationId, sequence, backupId, complete, manifestHash: hash, verificationKey, content });
  }
  await writeFile(`${target}key.txt`, `${keyText}\n`);
  await writeFile(`${target}expected.json`, `${JSON.stringify(expected, null, 2)}\n`);
}
