// Memory for raw segments, used again. A new megabyte for each segment is cheap to take and dear to collect: the collector's
// threads marked the whole heap every few dozen of them, for half of a backup's CPU time.

const roundedToBytes = 256 * 1024;
const maxIdleBytes = 12 * 1024 * 1024;
const idle: ArrayBuffer[] = [];
const lent = new WeakSet<ArrayBufferLike>();
let idleBytes = 0;

/** Give it back when nothing refers to it any more, or is freed; one that is not given back is collected like any other. */
export function takeSegmentBuffer(bytes: number): Buffer {
  // Not much larger than needed, or a small segment would hold a large one's memory.
  const at = idle.findIndex(({ byteLength }) => byteLength >= bytes && byteLength <= bytes * 2 + roundedToBytes);
  const memory =
    at < 0
      ? new ArrayBuffer(Math.ceil(Math.max(bytes, 1) / roundedToBytes) * roundedToBytes)
      : (idle.splice(at, 1)[0] as ArrayBuffer);
  if (at >= 0) idleBytes -= memory.byteLength;
  lent.add(memory);
  return Buffer.from(memory, 0, bytes);
}

/** Anything else than what was taken and not yet given back is left alone. */
export function giveBackSegmentBuffer(buffer: Buffer): void {
  const memory = buffer.buffer as ArrayBuffer;
  if (!lent.delete(memory)) return;
  if (idleBytes + memory.byteLength > maxIdleBytes) {
    memory.transfer(0);
    return;
  }
  idle.push(memory);
  idleBytes += memory.byteLength;
}
