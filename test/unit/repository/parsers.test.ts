// Every parser of stored or pasted bytes, fed with anything: an error of the table comes out, or what was written.
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { z } from "zod";
import { createMemoryStore } from "../../../src/adapters/object-store/memory.ts";
import { deriveOrganizationKeys } from "../../../src/crypto/organization-keys.ts";
import { deriveRootKey, parseKeyText } from "../../../src/crypto/root-key.ts";
import { ObjectSealer, type ObjectPlace } from "../../../src/crypto/sealed-object.ts";
import { createHash } from "node:crypto";
import { compressSegment, decompressSegment } from "../../../src/repository/compression.ts";
import { limits, readBounded } from "../../../src/repository/limits.ts";
import { openManifest, openManifestHeader } from "../../../src/repository/manifest-object.ts";
import {
  decodeOrganization,
  manifestKey,
  organizationPrefix,
  parseNumberedName,
} from "../../../src/repository/names.ts";
import { readPackIndex } from "../../../src/repository/pack.ts";
import { decodeRecord, encodeRecord } from "../../../src/repository/records.ts";
import { openRepository } from "../../../src/repository/repository.ts";
import { formatVerificationKey, parseVerificationKey } from "../../../src/repository/verification-key.ts";
import { makeSmallRepository, smallKey, firstOrganization } from "../../support/small-repository.ts";
import { outcomeOf } from "../../support/outcome.ts";

const keys = deriveOrganizationKeys(Buffer.alloc(32, 1));
const anything = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.json(),
  fc.constantFrom("null", "[]", "{}", "0", '"', "[".repeat(10_000), '{"__proto__":1}', "\ud800", "1e999"),
);

describe("records", () => {
  const schema = z.strictObject({ a: z.number() });

  test("of any bytes give a named error", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.uint8Array(),
          anything.map((text) => Buffer.from(text)),
        ),
        async (bytes) => {
          expect(await outcomeOf(() => decodeRecord("key", Buffer.from(bytes), schema))).toBe("ObjectCorrupt");
        },
      ),
    );
  });

  test("with a right checksum over anything give a named error or their value", async () => {
    await fc.assert(
      fc.asyncProperty(anything, async (text) => {
        const line = Buffer.from(text).toString("utf8").replaceAll("\n", " ");
        const bytes = Buffer.from(`${line}\n${createHash("sha256").update(line).digest("hex")}\n`);
        expect(["ObjectCorrupt", "FormatUnsupported"]).toContain(
          await outcomeOf(() => decodeRecord("key", bytes, schema)),
        );
      }),
    );
    expect(decodeRecord("key", encodeRecord({ a: 1 }), schema)).toEqual({ a: 1 });
  });

  test("of the repository, its roots and its keys may hold anything: opening gives a named error", async () => {
    const { repository } = await makeSmallRepository(createMemoryStore());
    const store = repository.store as ReturnType<typeof createMemoryStore>;
    const records = [...store.objects].filter(([key]) => !/\/(packs|manifests)\//.test(key));
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...records), anything, fc.nat(5), async ([key, bytes], text, field) => {
        const value = JSON.parse(bytes.toString("utf8").split("\n")[0] ?? "") as Record<string, unknown>;
        const name = Object.keys(value)[field % Object.keys(value).length] as string;
        const changed = encodeRecord({ ...value, [name]: text });
        fc.pre(!changed.equals(bytes)); // whatever was drawn may be what was there: an empty salt, 0 iterations
        store.objects.set(key, changed);
        const outcome = await outcomeOf(async () => {
          const opened = await openRepository(store, smallKey);
          for (const id of await repository.listOrganizations()) await opened.openVault(id);
        });
        store.objects.set(key, bytes);
        const named = ["ObjectCorrupt", "ObjectForeign", "FormatUnsupported", "EncryptionKeyWrong"];
        // The empty salt of a key without derivation can be drawn again: then nothing was changed.
        expect(changed.equals(bytes) ? ["done"] : named).toContain(outcome);
      }),
    );
  });

  test("that are too big are not read", async () => {
    const store = createMemoryStore();
    await store.create("big", Buffer.alloc(limits.recordBytes + 1));
    expect(await outcomeOf(() => readBounded(store, "big", limits.recordBytes))).toBe("ObjectCorrupt");
    expect(await outcomeOf(() => readBounded(store, "none", limits.recordBytes))).toBe("ObjectMissing");
  });
});

describe("manifests and pack indexes that a right key sealed over anything", () => {
  const place: ObjectPlace = { kind: "manifest", repositoryId: "r", organizationId: "o", sequence: 1, objectKey: "m" };
  const named = ["ObjectCorrupt", "FormatUnsupported"];
  const sealed = (at: ObjectPlace, clear: Buffer, frame: Buffer, trailer?: Buffer): Buffer => {
    const sealer = new ObjectSealer(keys, at, clear, [frame.length], trailer?.length ?? 0);
    sealer.frame(frame, true);
    if (trailer !== undefined) sealer.trailer(trailer);
    return sealer.finish().bytes;
  };
  const header = { sequence: 1, backupId: "b", createdAt: "c", complete: true, previousManifestHash: null, packs: [] };

  test("give a named error: the clear header", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          anything.map((text) => Buffer.from(text)),
          fc.uint8Array(),
        ),
        async (clear) => {
          const bytes = sealed(place, Buffer.from(clear), compressSegment(Buffer.from("{}")));
          expect(named).toContain(await outcomeOf(() => openManifestHeader(keys.verificationKey, place, bytes)));
          expect(named).toContain(await outcomeOf(() => openManifest(keys, place, bytes)));
        },
      ),
    );
  });

  test("give a named error: the content", async () => {
    await fc.assert(
      fc.asyncProperty(anything, fc.constantFrom(0, 1, 5e8), async (text, more) => {
        const json = Buffer.from(text);
        const clear = Buffer.from(JSON.stringify({ ...header, jsonBytes: json.length + more }));
        for (const frame of [compressSegment(json), json])
          expect(named).toContain(await outcomeOf(() => openManifest(keys, place, sealed(place, clear, frame))));
      }),
    );
  });

  test("give a named error: a header that states other things than the content", async () => {
    const { repository } = await makeSmallRepository(createMemoryStore());
    const { manifest } = await (await repository.openVault(firstOrganization)).readManifest(1);
    const json = Buffer.from(JSON.stringify(manifest));
    const { sequence, backupId, createdAt, complete, previousManifestHash, packs } = manifest;
    const whole = { sequence, backupId, createdAt, complete, previousManifestHash, packs, jsonBytes: json.length };
    const opened = (stated: object) =>
      outcomeOf(() =>
        openManifest(keys, place, sealed(place, Buffer.from(JSON.stringify(stated)), compressSegment(json))),
      );
    expect(await opened(whole)).toBe("done");
    expect(await opened({ ...whole, later: 1 })).toBe("done");
    for (const change of [{ sequence: 2 }, { packs: [] }, { complete: false }, { backupId: "x" }, { jsonBytes: 1 }])
      expect([change, await opened({ ...whole, ...change })]).toEqual([change, "ObjectCorrupt"]);
  });

  test("give a named error: the index of a pack", async () => {
    const packPlace: ObjectPlace = { kind: "pack", repositoryId: "r", organizationId: "o", objectKey: "p" };
    const entry = { id: "0".repeat(64), offset: 76, length: 24, rawBytes: 0, rows: 0 };
    const indexes = fc.oneof(
      anything,
      fc.constantFrom(JSON.stringify([entry]), JSON.stringify([{ ...entry, offset: 0 }])),
    );
    await fc.assert(
      fc.asyncProperty(indexes, fc.nat(0xffff_ffff), async (text, length) => {
        const isEmpty = text === "[]"; // an index of nothing that says so is a pack of nothing
        const trailer = Buffer.alloc(4);
        for (const stated of [length, Buffer.byteLength(text) + 24]) {
          trailer.writeUInt32BE(stated);
          const bytes = sealed(packPlace, Buffer.alloc(0), Buffer.from(text), trailer);
          const name = createHash("sha256").update(bytes).digest("hex");
          const outcome = await outcomeOf(() => readPackIndex(keys, packPlace, name, bytes));
          expect(outcome).toBe(isEmpty && stated === 26 ? "done" : "ObjectCorrupt");
        }
      }),
    );
    for (const length of [0, 1, 75, 76, 107, 108, 111, 112, 135]) {
      const bytes = Buffer.alloc(length);
      const name = createHash("sha256").update(bytes).digest("hex");
      expect(await outcomeOf(() => readPackIndex(keys, packPlace, name, bytes))).toBe("ObjectCorrupt");
    }
  });
});

test("compressed segments of any bytes and any stated size give a named error", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array(),
      fc.constantFrom(0, 1, 100, 2 ** 31, Number.MAX_SAFE_INTEGER),
      async (noise, size) => {
        expect(await outcomeOf(() => decompressSegment(noise, size))).toBe("ObjectCorrupt");
      },
    ),
  );
  const bomb = compressSegment(Buffer.alloc(64 * 1024 * 1024));
  expect(await outcomeOf(() => decompressSegment(bomb, 1000))).toBe("ObjectCorrupt");
  expect((await decompressSegment(compressSegment(Buffer.from("x")), 1)).toString()).toBe("x");
  expect(await decompressSegment(compressSegment(Buffer.alloc(0)), 0)).toHaveLength(0);
});

describe("key texts", () => {
  test("of any form give a key or EncryptionKeyInvalid", async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string(), fc.base64String(), fc.string({ unit: "binary" })), async (text) => {
        expect(["done", "EncryptionKeyInvalid"]).toContain(await outcomeOf(() => parseKeyText(text)));
      }),
    );
  });

  test("with any derivation give a key or ObjectCorrupt", async () => {
    const key = parseKeyText("a passphrase of some length");
    for (const iterations of [0, -1, 1, Number.NaN, Infinity, 600_000.5, 2 ** 53, 10_000_001])
      for (const salt of ["", "not base64!", Buffer.alloc(15).toString("base64"), Buffer.alloc(16).toString("base64")])
        expect(await outcomeOf(() => deriveRootKey(key, { kind: "pbkdf2-hmac-sha256", salt, iterations }))).toBe(
          "ObjectCorrupt",
        );
  });

  test("for verification: one spelling only", async () => {
    const text = formatVerificationKey(
      "7f6f1c1e-6f0a-4b0e-9d52-0f5f5f1b2a01",
      Buffer.from("record"),
      Buffer.alloc(32, 3),
    );
    expect(parseVerificationKey(` ${text}\n`).key).toEqual(Buffer.alloc(32, 3));
    await fc.assert(
      fc.asyncProperty(
        fc.nat(text.length - 1),
        fc.string({ minLength: 1, maxLength: 1, unit: "binary" }),
        async (at, letter) => {
          const changed = text.slice(0, at) + letter + text.slice(at + 1);
          let parsed: unknown;
          const outcome = await outcomeOf(() => (parsed = parseVerificationKey(changed)));
          if (outcome === "done" && changed !== text) expect(parsed).not.toEqual(parseVerificationKey(text));
          expect(["done", "EncryptionKeyInvalid"]).toContain(outcome);
        },
      ),
    );
    for (const bad of [
      "",
      "wsv1",
      "wsv2" + text.slice(4),
      `${text}.`,
      `${text}A`,
      text.slice(0, -1),
      `${text.slice(0, -1)}=`,
    ])
      expect(await outcomeOf(() => parseVerificationKey(bad))).toBe("EncryptionKeyInvalid");
  });
});

describe("names", () => {
  test("of organizations are written in one way, stay in their folder, and come back", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary", maxLength: 80 }), async (id) => {
        let prefix = "";
        const outcome = await outcomeOf(() => (prefix = organizationPrefix(id)));
        if (outcome !== "done") return expect(outcome).toBe("OrganizationInvalid");
        expect(prefix).toMatch(/^organizations\/[A-Za-z0-9_%-]{1,200}\/$/);
        expect(decodeOrganization(prefix.split("/")[1] ?? "")).toBe(id);
      }),
    );
  });

  test.each(["", "\ud800", "a\u0000", "a\nb", "\u0085", "x".repeat(201), "ü".repeat(34)])(
    "%j is no organization id",
    async (id) => {
      expect(await outcomeOf(() => organizationPrefix(id))).toBe("OrganizationInvalid");
    },
  );

  test.each(["%zz", "%", "%2e", "%61", "a b", "%C3", "", ".", "a%00", "ü"])(
    "%j is no organization's folder",
    (part) => {
      expect(decodeOrganization(part)).toBeNull();
    },
  );

  test("of manifests hold ten digits, and no other numbers", async () => {
    expect(manifestKey("a", 1)).toBe("organizations/a/manifests/0000000001");
    expect(parseNumberedName("0000000001")).toBe(1);
    for (const name of ["0000000000", "1", "00000000011", "-000000001", "0000000001 ", "00000000x1"])
      expect(parseNumberedName(name)).toBeNull();
    for (const sequence of [0, -1, 1.5, Number.NaN])
      expect(await outcomeOf(() => manifestKey("a", sequence))).toBe("UsageInvalid");
    expect(await outcomeOf(() => manifestKey("a", 1e10))).toBe("BackupTooLarge");
  });
});
