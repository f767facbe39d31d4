// Memory of decompressed segments is given back the moment that it is done with, and nothing else ever is.
import { randomBytes } from "node:crypto";
import { expect, test } from "@jest/globals";
import { compressSegment, decompressSegment } from "../../../src/repository/compression.ts";
import { freeMemory } from "../../../src/repository/owned-memory.ts";

const text = (bytes: number): Buffer => Buffer.alloc(bytes, "row\n");

/** To about a sixth. */
const shrinking = (bytes: number): Buffer =>
  Buffer.concat(Array.from({ length: bytes / 64 }, () => Buffer.concat([randomBytes(10), Buffer.alloc(54, "row")])));

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

test.each([
  ["rows", shrinking(1024 * 1024), Buffer.poolSize],
  ["rows that hardly shrink", randomBytes(1024 * 1024), Buffer.poolSize],
  ["a part of a photo", randomBytes(4 * 1024 * 1024), 64 * 1024],
])("%s, compressed, hold little more memory than they are long, and are freed whole", async (_, raw, moreBytes) => {
  const compressed = compressSegment(raw);
  expect(compressed.buffer.byteLength).toBeLessThan(compressed.length + moreBytes);
  expect((await decompressSegment(compressed, raw.length)).equals(raw)).toBe(true);
  freeMemory(compressed);
  expect(compressed.buffer.byteLength).toBe(0);
});
