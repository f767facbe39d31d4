// Memory that is used again must never be in two hands at once.
import { expect, test } from "@jest/globals";
import { giveBackSegmentBuffer, takeSegmentBuffer } from "../../../src/repository/segment-buffers.ts";

test("what was given back is used again, for what fits", () => {
  const first = takeSegmentBuffer(1_000_000);
  giveBackSegmentBuffer(first);
  const second = takeSegmentBuffer(900_000);
  expect(second.buffer).toBe(first.buffer);
  expect(second).toHaveLength(900_000);
  giveBackSegmentBuffer(second);
  // A small segment does not hold a large one's memory.
  expect(takeSegmentBuffer(1_000).buffer).not.toBe(first.buffer);
});

test("giving back twice, or what was never taken, lends nothing twice", () => {
  const buffer = takeSegmentBuffer(3_000_000);
  giveBackSegmentBuffer(buffer);
  giveBackSegmentBuffer(buffer);
  giveBackSegmentBuffer(Buffer.alloc(3_000_000));
  const taken = [takeSegmentBuffer(3_000_000), takeSegmentBuffer(3_000_000), takeSegmentBuffer(3_000_000)];
  expect(new Set(taken.map(({ buffer: memory }) => memory)).size).toBe(3);
});
