// Memory of a megabyte or more that has one owner, freed at once. What is left to the collector is collected late: each
// segment would take new pages, and the collector would go through the whole heap every few dozen of them.

/** Memory that holds one thing and nothing else. */
const owned = new WeakSet<ArrayBufferLike>();

/** `bytes` may be a part of its memory, if nothing else lies in the rest. Small ones share Node's pool, and are left alone. */
export function ownMemory<T extends Uint8Array>(bytes: T): T {
  if (bytes.length >= Buffer.poolSize) owned.add(bytes.buffer);
  return bytes;
}

/** Nothing may refer to it any more. What was not owned, or is freed already, is left alone. */
export function freeMemory(bytes: Uint8Array): void {
  const memory = bytes.buffer;
  if (owned.delete(memory)) (memory as ArrayBuffer).transfer(0);
}
