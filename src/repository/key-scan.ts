// A set of rows' keys, and the search for rows by it, at memory speed: a key that becomes a JavaScript text costs more than
// reading its row from the store. 16 bytes a key, whatever its length: 64-bit hashes in an open table (row-scan.wat).
//
// Two keys could share a hash (at four million keys once in a million tables): whoever asks verifies what is found, or
// counts. A set that is not released is collected like anything else.
import { makeMemory, releaseRowScan, slackBytes, takeRowScan, type RowScan } from "./row-scan.ts";

export class KeyScan {
  private readonly scan: RowScan = takeRowScan();
  private readonly keyColumnCount: number;
  /** The table lies first, the text behind it. */
  private readonly textAt: number;
  private carriedBytes = 0;

  /** At most `expectedKeys` are added. */
  constructor(expectedKeys: number, keyColumnCount: number) {
    this.keyColumnCount = keyColumnCount;
    const slots = 2 ** Math.ceil(Math.log2(Math.max(16, expectedKeys * 2)));
    this.textAt = slots * 8;
    makeMemory(this.scan, this.textAt + slackBytes);
    new Uint8Array(this.scan.memory.buffer, 0, this.textAt).fill(0);
    this.scan.beginKeys(0, slots);
  }

  /** Keys of COPY text that is cut anywhere. */
  add(chunk: Uint8Array): void {
    const end = this.place(chunk, this.carriedBytes);
    const rest = this.scan.insertKeys(this.textAt, end, this.keyColumnCount);
    new Uint8Array(this.scan.memory.buffer).copyWithin(this.textAt, rest, end);
    this.carriedBytes = end - rest;
  }

  /** The rows of `text` (whole ones) whose key is in the set, or is not: begin, end of the key, end behind the newline. */
  *find(text: Uint8Array, wanted: "in" | "notIn"): Generator<readonly [start: number, keyEnd: number, end: number]> {
    const end = this.place(text, 0);
    for (let at = this.textAt; ;) {
      const start = this.scan.findKey(at, end, this.keyColumnCount, wanted === "in" ? 1 : 0);
      const newline = this.scan.foundEnd.value as number;
      if (newline === 0) return;
      const keyEnd = this.scan.foundKeyEnd.value as number;
      yield [start - this.textAt, keyEnd - this.textAt, newline + 1 - this.textAt];
      at = newline + 1;
    }
  }

  release(): void {
    releaseRowScan(this.scan);
  }

  private place(text: Uint8Array, behindBytes: number): number {
    const at = this.textAt + behindBytes;
    makeMemory(this.scan, at + text.length + slackBytes);
    new Uint8Array(this.scan.memory.buffer).set(text, at);
    return at + text.length;
  }
}
