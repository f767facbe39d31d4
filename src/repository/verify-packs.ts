// The packs of an organization: every one that a manifest names is there, and every byte is the one that was written.
import { sha256 } from "../crypto/sha256.ts";
import { isIntact } from "../crypto/sealed-object.ts";
import type { IntegrityRead, Listed } from "./integrity-read.ts";
import { limits } from "./limits.ts";
import { isPackName, packsPrefix } from "./names.ts";
import type { NamedByManifests } from "./verify-manifests.ts";

/** One part of the packs, 1 to `of`. Names are hashes, so parts are of one size; all parts are all bytes. */
export interface Part {
  readonly number: number;
  readonly of: number;
}

/** @returns how many packs were read */
export async function verifyPacks(
  read: IntegrityRead,
  named: NamedByManifests["packs"],
  part: Part | null,
): Promise<number> {
  const folder = packsPrefix(read.organizationId);
  const present = new Set<string>();
  let packs = 0;
  // The next pack comes while this one is hashed: else the store and the hash wait for each other in turns.
  let ahead: { listed: Listed; bytes: Promise<Buffer | null> } | null = null;
  const prove = async (): Promise<void> => {
    if (ahead === null) return;
    const { listed, bytes } = ahead;
    const pack = await bytes;
    if (pack === null) return;
    packs += 1;
    provePack(read, named, listed, pack);
  };
  for await (const listed of read.list(folder)) {
    const { key, name, sizeBytes } = listed;
    const expected = named.get(name);
    present.add(name);
    if (!isPackName(name)) {
      read.problem(key, "ObjectForeign", "it is not a pack's name");
      continue;
    }
    if (expected === undefined) read.notes.push(`${key} is named by no manifest (${sizeBytes} bytes)`);
    else if (expected.sizeBytes !== sizeBytes)
      read.problem(key, "ObjectCorrupt", `it has ${sizeBytes} bytes instead of ${expected.sizeBytes}`);
    if (part !== null && Number.parseInt(name.slice(0, 12), 16) % part.of !== part.number - 1) continue;
    const bytes = read.read(key, sizeBytes, limits.packBytes);
    bytes.catch(() => {}); // awaited in the next turn
    await prove();
    ahead = { listed, bytes };
  }
  await prove();
  for (const [name, { by }] of named) {
    if (!present.has(name)) read.problem(`${folder}${name}`, "ObjectMissing", `${by} needs it`);
  }
  return packs;
}

function provePack(read: IntegrityRead, named: NamedByManifests["packs"], { key, name }: Listed, bytes: Buffer): void {
  // A name that an intact manifest states proves the bytes by itself; the HMAC is for packs that only lie there.
  if (sha256(bytes) !== name) {
    read.problem(key, "ObjectCorrupt", "its bytes are not the ones that its name states");
  } else if (!named.has(name) && !isIntact(read.verification.key, read.place("pack", key), bytes)) {
    read.problem(key, "ObjectForeign", "it was not sealed for this organization");
  }
}
