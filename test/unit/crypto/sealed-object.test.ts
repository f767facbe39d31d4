import { randomBytes } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { deriveOrganizationKeys } from "../../../src/crypto/organization-keys.ts";
import {
  frameOverheadBytes,
  headerBytes,
  isIntact,
  macBytes,
  maxFrameBytes,
  ObjectOpener,
  ObjectSealer,
  readClear,
  type ObjectPlace,
} from "../../../src/crypto/sealed-object.ts";
import { outcomeOf } from "../../support/outcome.ts";

const keys = deriveOrganizationKeys(Buffer.alloc(32, 1));
const otherKeys = deriveOrganizationKeys(Buffer.alloc(32, 2));
const place: ObjectPlace = {
  kind: "manifest",
  repositoryId: "r",
  organizationId: "o",
  sequence: 3,
  objectKey: "organizations/o/manifests/0000000003",
};

function seal(frames: readonly Uint8Array[], clear: Uint8Array = new Uint8Array(), at = place): Buffer {
  const sealer = new ObjectSealer(
    keys,
    at,
    Buffer.from(clear),
    frames.map((frame) => frame.length),
  );
  for (const [index, frame] of frames.entries()) sealer.frame(frame, index === frames.length - 1);
  return sealer.finish().bytes;
}

function open(bytes: Buffer, at = place, by = keys): Buffer[] {
  const clear = readClear(at, bytes);
  const opener = new ObjectOpener(by, at, bytes.subarray(0, headerBytes), clear);
  return [...opener.frames(bytes, headerBytes + clear.length, bytes.length - macBytes)];
}

const framesArbitrary = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 6 });

describe("a sealed object", () => {
  test("gives back its clear part and its frames, and has the size that the layout states", () => {
    fc.assert(
      fc.property(framesArbitrary, fc.uint8Array({ maxLength: 100 }), (frames, clear) => {
        const bytes = seal(frames, clear);
        expect(readClear(place, bytes).equals(clear)).toBe(true);
        expect(open(bytes).map((frame) => frame.toString("hex"))).toEqual(
          frames.map((frame) => Buffer.from(frame).toString("hex")),
        );
        const plain = frames.reduce((sum, frame) => sum + frame.length + frameOverheadBytes, 0);
        expect(bytes.length).toBe(headerBytes + clear.length + plain + macBytes);
        expect(isIntact(keys.verificationKey, place, bytes)).toBe(true);
      }),
    );
  });

  test("tells nothing of its content, and never looks the same twice", () => {
    const frame = Buffer.from("Grandmother is allergic to nuts");
    const [a, b] = [seal([frame]), seal([frame])];
    expect(a.includes("nuts")).toBe(false);
    expect(a.subarray(headerBytes).equals(b.subarray(headerBytes))).toBe(false);
    expect(a.subarray(12, 44).equals(b.subarray(12, 44))).toBe(false);
  });

  test("is refused in every other place, and by every other key", async () => {
    const bytes = seal([Buffer.from("x")], Buffer.from("clear"));
    const places: ObjectPlace[] = [
      { ...place, repositoryId: "s" },
      { ...place, organizationId: "p" },
      { ...place, sequence: 4 },
      { kind: "manifest", repositoryId: "r", organizationId: "o", objectKey: "" },
      { ...place, kind: "pack" },
      { ...place, repositoryId: 'r","o', organizationId: "" },
    ];
    for (const elsewhere of places) {
      expect(["ObjectCorrupt", "ObjectForeign"]).toContain(await outcomeOf(() => open(bytes, elsewhere)));
      expect(isIntact(keys.verificationKey, elsewhere, bytes)).toBe(false);
    }
    expect(await outcomeOf(() => open(bytes, place, otherKeys))).toBe("ObjectForeign");
    expect(isIntact(otherKeys.verificationKey, place, bytes)).toBe(false);
  });

  test("commits to its key: a frame that a second key could open as well is not looked at", async () => {
    const bytes = seal([Buffer.from("x")]);
    const header = Buffer.from(bytes.subarray(0, headerBytes));
    randomBytes(32).copy(header, 44);
    expect(await outcomeOf(() => new ObjectOpener(keys, place, header, Buffer.alloc(0)))).toBe("ObjectForeign");
  });

  test("with frames left out, doubled, moved or taken from a twin is refused", async () => {
    const frames = [Buffer.from("one."), Buffer.from("two."), Buffer.from("end.")];
    const bytes = seal(frames);
    const twin = seal(frames);
    const size = 4 + frameOverheadBytes;
    const piece = (of: Buffer, index: number) =>
      of.subarray(headerBytes + index * size, headerBytes + (index + 1) * size);
    const built = (pieces: readonly Buffer[]) =>
      Buffer.concat([bytes.subarray(0, headerBytes), ...pieces, bytes.subarray(-macBytes)]);
    const [one, two, end] = [0, 1, 2].map((index) => piece(bytes, index)) as [Buffer, Buffer, Buffer];
    expect(open(built([one, two, end]))).toHaveLength(3);
    const lists = [
      [],
      [end],
      [one, two],
      [two, one, end],
      [one, one, end],
      [one, two, end, end],
      [one, end, two],
      [one],
    ];
    for (const pieces of [...lists, [piece(twin, 0), two, end], [one, two, piece(twin, 2)]])
      expect(await outcomeOf(() => open(built(pieces)))).toBe("ObjectCorrupt");
    // The final flag and the number are bound: a middle frame can't be dressed up as the end, nor the second as the first.
    const asEnd = Buffer.from(two);
    asEnd.writeUInt32BE((asEnd.readUInt32BE(4) | 0x8000_0000) >>> 0, 4);
    expect(await outcomeOf(() => open(built([one, asEnd])))).toBe("ObjectCorrupt");
    const asFirst = Buffer.from(two);
    asFirst.writeUInt32BE(0, 0);
    expect(await outcomeOf(() => open(built([asFirst, two, end])))).toBe("ObjectCorrupt");
  });

  test("of any bytes at all gives a named error or the content", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), fc.nat(), fc.nat(255), async (noise, at, value) => {
        expect(["ObjectCorrupt", "ObjectForeign", "FormatUnsupported"]).toContain(
          await outcomeOf(() => open(Buffer.from(noise))),
        );
        const bytes = seal([Buffer.from("some content"), Buffer.from("end")], Buffer.from("{}"));
        const changed = Buffer.from(bytes);
        changed[at % changed.length] = value;
        const outcome = await outcomeOf(() => open(changed));
        const isSame = changed.equals(bytes) || at % changed.length >= changed.length - macBytes;
        expect(outcome === "done").toBe(isSame);
        expect(isIntact(keys.verificationKey, place, changed)).toBe(changed.equals(bytes));
      }),
      { numRuns: 500 },
    );
  });

  test("can't be begun with a frame beyond the limit", async () => {
    expect(await outcomeOf(() => new ObjectSealer(keys, place, Buffer.alloc(0), [maxFrameBytes]))).toBe(
      "BackupTooLarge",
    );
  });

  test("is not finished until it has the frames that it was planned with", async () => {
    const sealer = new ObjectSealer(keys, place, Buffer.alloc(0), [4, 4]);
    sealer.frame(Buffer.alloc(4), false);
    expect(await outcomeOf(() => sealer.finish())).toBe("Internal");
    expect(await outcomeOf(() => sealer.frame(Buffer.alloc(5), true))).toBe("Internal");
  });
});
