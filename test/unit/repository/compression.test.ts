// Memory of decompressed segments is given back the moment that it is done with, and nothing else ever is.
import { expect, test } from "@jest/globals";
import { compressSegment, decompressSegment } from "../../../src/repository/compression.ts";
import { freeMemory } from "../../../src/repository/owned-memory.ts";

const text = (bytes: number): Buffer => Buffer.alloc(bytes, "row\n");

test.each([100_000, 1024 * 1024, 5_000_000])("a segment of %d bytes is freed whole", async (bytes) => {
  const raw = await decompressSegment(compressSegment(text(bytes)), bytes);
  expect(raw.equals(text(bytes))).toBe(true);
  freeMemory(raw);
  expect(raw.buffer.byteLength).toBe(0);
  freeMemory(raw); // asked twice, once done
});

test("a small segment lies in memory that others share, and stays", async () => {
  const [one, other] = await Promise.all([1, 2].map(() => decompressSegment(compressSegment(text(100)), 100)));
  freeMemory(one as Buffer);
  expect([one, other].map((raw) => raw?.toString())).toEqual([text(100).toString(), text(100).toString()]);
});

test("memory that came from elsewhere is left alone", () => {
  const foreign = text(200_000);
  freeMemory(foreign);
  expect(foreign.equals(text(200_000))).toBe(true);
});
