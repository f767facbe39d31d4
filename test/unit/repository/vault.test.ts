import { createHash } from "node:crypto";
import { beforeEach, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { createMemoryStore, type MemoryStore } from "../../../src/adapters/object-store/memory.ts";
import { withFaults } from "../../../src/adapters/object-store/faulty.ts";
import { compressSegment } from "../../../src/repository/compression.ts";
import type { Manifest, SegmentReference } from "../../../src/repository/manifest.ts";
import { packKey } from "../../../src/repository/names.ts";
import { readMediaFile, readTableRows } from "../../../src/repository/read-table.ts";
import { createOrOpenRepository } from "../../../src/repository/repository.ts";
import type { SealedPack } from "../../../src/repository/pack.ts";
import type { OrganizationVault } from "../../../src/repository/vault.ts";
import { verifyContent } from "../../../src/repository/verify-content.ts";
import { outcomeOf } from "../../support/outcome.ts";
import {
  firstOrganization,
  makeSmallRepository,
  readEverything,
  secondOrganization,
  smallKey,
} from "../../support/small-repository.ts";

let store: MemoryStore;
let vault: OrganizationVault;
beforeEach(async () => {
  store = createMemoryStore();
  vault = await (await createOrOpenRepository(store, smallKey)).openVault("a", { create: true });
});

const seal = (raws: readonly Buffer[]): SealedPack =>
  vault.sealPack(
    raws.map((raw) => ({
      id: vault.segmentId(raw),
      kind: "rows" as const,
      rows: 1,
      rawBytes: raw.length,
      compressed: compressSegment(raw),
    })),
  );
const reference = (pack: SealedPack, index: number, change: Partial<SegmentReference> = {}): SegmentReference => ({
  ...(pack.entries[index] as SealedPack["entries"][number]),
  pack: 0,
  ...change,
});

describe("packs", () => {
  test("give back every segment, alone, together and in any order, and their index", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 500 }), { maxLength: 8 }), fc.nat(), async (parts, seed) => {
        const raws = parts.map((part) => Buffer.from(part));
        const pack = seal(raws);
        expect(pack.name).toBe(createHash("sha256").update(pack.bytes).digest("hex"));
        await vault.storePack(pack);
        expect(await vault.readPackIndex(pack.name)).toEqual(pack.entries);
        const order = raws.map((_, index) => index).sort((a, b) => ((a * 7 + seed) % 5) - ((b * 7 + seed) % 5));
        const read = await vault.readSegments(
          pack.name,
          order.map((index) => reference(pack, index)),
        );
        expect(read).toEqual(order.map((index) => raws[index]));
      }),
    );
  });

  test("refuse a reference to another segment's frame, to another size, or to no frame", async () => {
    const raws = ["one.", "two.", "a longer one"].map((text) => Buffer.from(text));
    const pack = seal(raws);
    await vault.storePack(pack);
    const first = reference(pack, 0);
    const second = reference(pack, 1);
    const cases: [Partial<SegmentReference>, string][] = [
      [{ id: second.id }, "ObjectCorrupt"],
      [{ offset: second.offset }, "ObjectCorrupt"],
      [{ rawBytes: 5 }, "ObjectCorrupt"],
      [{ rawBytes: 3 }, "ObjectCorrupt"],
      [{ offset: first.offset + 1 }, "ObjectCorrupt"],
      [{ length: first.length + 1 }, "ObjectCorrupt"],
      [{ length: 0 }, "ObjectCorrupt"],
      [{ length: 23 }, "ObjectCorrupt"],
      [{ offset: 0 }, "ObjectCorrupt"],
      [{ offset: 1e15 }, "ObjectCorrupt"],
      [{ length: 1e15 }, "ObjectCorrupt"],
      [{ rawBytes: Number.MAX_SAFE_INTEGER }, "ObjectCorrupt"],
    ];
    for (const [change, code] of cases)
      expect([change, await outcomeOf(() => vault.readSegment(pack.name, { ...first, ...change }))]).toEqual([
        change,
        code,
      ]);
    const indexAt = reference(pack, 2).offset + reference(pack, 2).length;
    const length = pack.bytes.length - 36 - indexAt;
    expect(await outcomeOf(() => vault.readSegment(pack.name, { ...first, offset: indexAt, length }))).toBe(
      "ObjectCorrupt",
    );
  });

  test("refuse two frames of one pack that changed places", async () => {
    const pack = seal([Buffer.from("one."), Buffer.from("two.")]);
    const [a, b] = [reference(pack, 0), reference(pack, 1)];
    expect(a.length).toBe(b.length);
    const swapped = Buffer.from(pack.bytes);
    pack.bytes.copy(swapped, a.offset, b.offset, b.offset + b.length);
    pack.bytes.copy(swapped, b.offset, a.offset, a.offset + a.length);
    store.objects.set(packKey("a", pack.name), swapped);
    expect(await outcomeOf(() => vault.readSegment(pack.name, a))).toBe("ObjectCorrupt");
    expect(await outcomeOf(() => vault.readPackIndex(pack.name))).toBe("ObjectCorrupt");
  });

  test("refuse an index out of another pack of the same organization", async () => {
    const pack = seal([Buffer.from("one")]);
    const other = seal([Buffer.from("two")]);
    store.objects.set(packKey("a", pack.name), other.bytes);
    expect(await outcomeOf(() => vault.readPackIndex(pack.name))).toBe("ObjectCorrupt");
  });

  test("are stored once, and never taken for stored when other bytes lie there", async () => {
    const pack = seal([Buffer.from("one")]);
    expect(await vault.storePack(pack)).toBe("stored");
    expect(await vault.storePack(pack)).toBe("present");
    store.objects.set(packKey("a", pack.name), Buffer.from("junk"));
    expect(await outcomeOf(() => vault.storePack(pack))).toBe("ObjectCorrupt");
  });

  test("of equal content have equal segment ids in one organization, and unlike ones in two", async () => {
    const other = await (await createOrOpenRepository(store, smallKey)).openVault("b", { create: true });
    const raw = Buffer.from("the same row\n");
    expect(vault.segmentId(raw)).toBe(vault.segmentId(Buffer.from(raw)));
    expect(other.segmentId(raw)).not.toBe(vault.segmentId(raw));
    expect(other.cutSeed).not.toBe(vault.cutSeed);
    expect(other.exportVerificationKey()).not.toBe(vault.exportVerificationKey());
  });
});

describe("manifests", () => {
  test("are written once: the same bytes again succeed, other ones are told that the number is taken", async () => {
    const { repository } = await makeSmallRepository(createMemoryStore());
    const first = await repository.openVault(firstOrganization);
    const { manifest } = await first.readManifest(2);
    const sealed = first.sealManifest({ ...manifest, sequence: 4 });
    expect(await outcomeOf(() => first.storeManifest(sealed))).toBe("done");
    expect(await outcomeOf(() => first.storeManifest(sealed))).toBe("done");
    expect(await outcomeOf(() => first.storeManifest(first.sealManifest({ ...manifest, sequence: 4 })))).toBe(
      "SequenceTaken",
    );
  });

  test("whose answer got lost are found stored when they are stored again", async () => {
    const { repository } = await makeSmallRepository(createMemoryStore());
    const faulty = withFaults(repository.store);
    const first = await (await createOrOpenRepository(faulty, smallKey)).openVault(firstOrganization);
    const { manifest } = await first.readManifest(2);
    const sealed = first.sealManifest({ ...manifest, sequence: 4 });
    faulty.faults = [{ call: faulty.calls.length + 1, when: "after", code: "StorageUnreachable" }];
    expect(await outcomeOf(() => first.storeManifest(sealed))).toBe("StorageUnreachable");
    expect(await outcomeOf(() => first.storeManifest(sealed))).toBe("done");
    expect((await first.latestManifest())?.hash).toBe(sealed.hash);
  });

  test("of many frames come back as they were", async () => {
    const { repository } = await makeSmallRepository(createMemoryStore());
    const first = await repository.openVault(firstOrganization);
    const { manifest } = await first.readManifest(2);
    const missing = Array.from({ length: 20_000 }, (_, index) => ({
      path: createHash("sha512").update(String(index)).digest("base64"),
      table: "public.photos",
    }));
    const large: Manifest = { ...manifest, sequence: 4, media: { ...manifest.media, missing } };
    await first.storeManifest(first.sealManifest(large));
    const read = await first.readManifest(4);
    expect(read.sizeBytes).toBeGreaterThan(1.2 * 1024 * 1024);
    expect(JSON.stringify(read.manifest)).toBe(JSON.stringify(large));
  });

  test("of another organization, sealed by its own key under this number, are foreign", async () => {
    const { repository } = await makeSmallRepository(createMemoryStore());
    const second = await repository.openVault(secondOrganization);
    const { manifest } = await second.readManifest(1);
    const claimed = second.sealManifest({ ...manifest, organizationId: firstOrganization, sequence: 2 });
    await second.storeManifest(claimed);
    expect(await outcomeOf(() => second.readManifest(2))).toBe("ObjectForeign");
  });
});

describe("a manifest that states other things than what is stored", () => {
  const cases: [string, (manifest: Manifest) => Manifest][] = [
    ["rows", (m) => withTable(m, (table) => ({ ...table, rows: table.rows + 1 }))],
    ["bytes", (m) => withTable(m, (table) => ({ ...table, rawBytes: table.rawBytes + 1 }))],
    ["checksum", (m) => withTable(m, (table) => ({ ...table, checksum: "0".repeat(16) }))],
    ["a segment too few", (m) => withTable(m, (table) => ({ ...table, segments: table.segments.slice(1) }))],
    [
      "a segment twice",
      (m) => withTable(m, (table) => ({ ...table, segments: [...table.segments, ...table.segments.slice(0, 1)] })),
    ],
    ["a file's size", (m) => withFile(m, (file) => ({ ...file, sizeBytes: file.sizeBytes + 1 }))],
    ["a file's hash", (m) => withFile(m, (file) => ({ ...file, sha256: "0".repeat(64) }))],
    ["a file's parts in another order", (m) => withFile(m, (file) => ({ ...file, parts: file.parts.toReversed() }))],
    ["a pack that it does not list", (m) => ({ ...m, packs: [] })],
    [
      "rows that are a file's bytes",
      (m) => withTable(m, (table) => ({ ...table, segments: m.media.files[0]?.parts ?? [] })),
    ],
  ];
  const withTable = (
    manifest: Manifest,
    change: (table: Manifest["tables"][number]) => Manifest["tables"][number],
  ) => ({
    ...manifest,
    tables: manifest.tables.map((table) => (table.table === "public.guests" ? change(table) : table)),
  });
  const withFile = (
    manifest: Manifest,
    change: (file: Manifest["media"]["files"][number]) => Manifest["media"]["files"][number],
  ) => ({
    ...manifest,
    media: { ...manifest.media, files: manifest.media.files.map((file, index) => (index === 0 ? change(file) : file)) },
  });

  test.each(cases)("is refused by reading and by a proof of the content: %s", async (_, change) => {
    const { repository } = await makeSmallRepository(createMemoryStore());
    const first = await repository.openVault(firstOrganization);
    const { manifest } = await first.readManifest(1);
    const wrong = change(manifest);
    expect(["RecoverMismatch", "ObjectCorrupt"]).toContain(await outcomeOf(() => readEverything(first, wrong)));
    const { problems } = await verifyContent(first, wrong);
    expect(problems.length).toBeGreaterThan(0);
  });

  test("is proven table by table: one that is damaged does not hide the others", async () => {
    const { repository } = await makeSmallRepository(createMemoryStore());
    const first = await repository.openVault(firstOrganization);
    const { manifest } = await first.readManifest(1);
    expect(await verifyContent(first, manifest)).toMatchObject({ problems: [], rows: 23 });
    const { problems, rows } = await verifyContent(first, cases[0]?.[1](manifest) as Manifest);
    expect(problems).toEqual([{ key: "public.guests", code: "RecoverMismatch", message: expect.any(String) }]);
    expect(rows).toBe(5);
  });
});

test("reading stops when its reader does, and says so when the store fails", async () => {
  const { repository } = await makeSmallRepository(createMemoryStore());
  const faulty = withFaults(repository.store);
  const first = await (await createOrOpenRepository(faulty, smallKey)).openVault(firstOrganization);
  const { manifest } = await first.readManifest(2);
  const guests = manifest.tables.find((table) => table.table === "public.guests") as Manifest["tables"][number];
  for await (const _ of readTableRows(first, manifest, guests)) break;
  faulty.faults = [{ call: faulty.calls.length + 2, when: "before", code: "StorageUnreachable" }];
  const [photo] = manifest.media.files;
  const read = async () => {
    for await (const _ of readTableRows(first, manifest, guests));
    for await (const _ of readMediaFile(first, manifest, photo as Manifest["media"]["files"][number]));
  };
  expect(await outcomeOf(read)).toBe("StorageUnreachable");
  faulty.faults = [{ call: faulty.calls.length + 1, when: "before", code: "StorageUnreachable" }];
  expect(await outcomeOf(() => verifyContent(first, manifest))).toBe("StorageUnreachable");
});
