// The clear header of a manifest: what a holder of the verification key reads, and so what nobody but the writer may state.
import { describe, expect, test } from "@jest/globals";
import { createMemoryStore } from "../../../src/adapters/object-store/memory.ts";
import { deriveOrganizationKeys } from "../../../src/crypto/organization-keys.ts";
import {
  isIntact,
  ObjectOpener,
  ObjectSealer,
  headerBytes,
  readClear,
  type ObjectPlace,
} from "../../../src/crypto/sealed-object.ts";
import { compressSegment } from "../../../src/repository/compression.ts";
import type { Manifest } from "../../../src/repository/manifest.ts";
import { openManifest, openManifestHeader, sealManifest } from "../../../src/repository/manifest-object.ts";
import { planRelease, readStoredState } from "../../../src/repository/prune-vault.ts";
import { outcomeOf } from "../../support/outcome.ts";
import { firstOrganization, makeSmallRepository } from "../../support/small-repository.ts";

const keys = deriveOrganizationKeys(Buffer.alloc(32, 1));
const placeOf = (sequence: number): ObjectPlace => ({
  kind: "manifest",
  repositoryId: "r",
  organizationId: firstOrganization,
  sequence,
  objectKey: `manifest ${sequence}`,
});
const { repository } = await makeSmallRepository(createMemoryStore());
const vault = await repository.openVault(firstOrganization);
const { manifest } = (await vault.latestManifest()) as { manifest: Manifest };
const { sequence } = manifest;

describe("a manifest that its writer sealed", () => {
  test("under another number than it states is neither listed nor opened", async () => {
    const place = placeOf(sequence + 1);
    const { bytes } = sealManifest(keys, place, manifest);
    // By its place alone, each byte is right.
    expect(isIntact(keys.verificationKey, place, bytes)).toBe(true);
    expect(await outcomeOf(() => openManifestHeader(keys.verificationKey, place, bytes))).toBe("ObjectCorrupt");
    expect(await outcomeOf(() => openManifest(keys, place, bytes))).toBe("ObjectCorrupt");
  });

  test.each<[string, Partial<Manifest>]>([
    ["its packs", { packs: [] }],
    ["its time", { createdAt: "2031-01-01T00:00:00.000Z" }],
    ["whether it is complete", { complete: !manifest.complete }],
    ["the one before it", { previousManifestHash: "f".repeat(64) }],
    ["its id", { backupId: "00000000-0000-4000-8000-000000000000" }],
  ])("with a header that lies about %s is not opened", async (_what, lie) => {
    const place = placeOf(sequence);
    const json = Buffer.from(JSON.stringify(manifest));
    const { backupId, createdAt, complete, previousManifestHash, packs } = { ...manifest, ...lie };
    const stated = { sequence, backupId, createdAt, complete, previousManifestHash, jsonBytes: json.length, packs };
    const compressed = compressSegment(json);
    const sealer = new ObjectSealer(keys, place, Buffer.from(JSON.stringify(stated)), [compressed.length]);
    sealer.frame(compressed, true);
    const { bytes } = sealer.finish();
    expect(await outcomeOf(() => openManifestHeader(keys.verificationKey, place, bytes))).toBe("done");
    expect(await outcomeOf(() => openManifest(keys, place, bytes))).toBe("ObjectCorrupt");
  });
});

describe("a sealed object's own header", () => {
  test.each([
    ["of another epoch of the key", 5],
    ["with something in its reserved bytes", 6],
    ["with something in the last of them", 7],
  ])("%s is refused before any key is tried", async (_what, at) => {
    const bytes = Buffer.from(sealManifest(keys, placeOf(sequence), manifest).bytes);
    bytes[at] = 2;
    expect(await outcomeOf(() => readClear(placeOf(sequence), bytes))).toBe("ObjectCorrupt");
  });

  test("a frame opens only as what it was sealed: the last one, or one before it", async () => {
    const place = placeOf(sequence);
    const sealer = new ObjectSealer(keys, place, Buffer.alloc(0), [3, 3]);
    const [first, last] = [sealer.frame(Buffer.from("one"), false), sealer.frame(Buffer.from("two"), true)];
    const { bytes } = sealer.finish();
    const opener = new ObjectOpener(keys, place, bytes.subarray(0, headerBytes), Buffer.alloc(0));
    const as = ({ offset, length }: typeof first, isFinal: boolean) =>
      outcomeOf(() => opener.frame(bytes.subarray(offset, offset + length), { isFinal }));
    expect([await as(first, false), await as(last, true)]).toEqual(["done", "done"]);
    expect([await as(first, true), await as(last, false)]).toEqual(["ObjectCorrupt", "ObjectCorrupt"]);
  });
});

test("a backup that was let go, and is not removed yet, is not among those that are walked", async () => {
  const own = await (await makeSmallRepository(createMemoryStore())).repository.openVault(firstOrganization);
  const walked = async (): Promise<number[]> => {
    const found: number[] = [];
    for await (const header of own.walkManifests()) found.push(header.sequence);
    return found;
  };
  expect(await walked()).toEqual([3, 2, 1]);
  const { record } = planRelease(await readStoredState(own), [2], { nowMs: 0, fencingToken: 1 });
  if (record !== null) await own.releases.append(record);
  expect(await own.listSequences()).toEqual([1, 2, 3]);
  expect(await walked()).toEqual([3, 1]);
});
