// Instances of row-scan.wasm, which does the work on each row: row-scan.wat says what it is called with.
import { readFileSync } from "node:fs";

export interface RowScan {
  readonly memory: WebAssembly.Memory;
  readonly segmentStart: WebAssembly.Global;
  readonly rowStart: WebAssembly.Global;
  readonly segmentRows: WebAssembly.Global;
  readonly checksum: WebAssembly.Global;
  begin(
    seed: bigint,
    keyColumns: number,
    minBytes: number,
    maxBytes: number,
    thresholdPerByte: bigint,
    certainBytes: number,
  ): void;
  rebase(distance: number): void;
  startSegment(at: number): void;
  scan(end: number): number;
  readonly foundEnd: WebAssembly.Global;
  readonly foundKeyEnd: WebAssembly.Global;
  beginKeys(at: number, slots: number): void;
  insertKeys(at: number, end: number, keyColumns: number): number;
  findKey(at: number, end: number, keyColumns: number, wanted: 0 | 1): number;
}

/** The scan looks at 16 bytes at a time and may look beyond the end. */
export const slackBytes = 16;
const module = new WebAssembly.Module(readFileSync(new URL("./row-scan.wasm", import.meta.url)));
/** They hold 10 MiB each; a finished table's is used again. */
const idle: RowScan[] = [];
const pageBytes = 65_536;

export const takeRowScan = (): RowScan =>
  idle.pop() ?? (new WebAssembly.Instance(module).exports as unknown as RowScan);

/** One that grew for a large row is given up. */
export function releaseRowScan(scan: RowScan): void {
  if (scan.memory.buffer.byteLength <= 160 * pageBytes && idle.length < 8) idle.push(scan);
}

export function makeMemory(scan: RowScan, bytes: number): void {
  const short = bytes - scan.memory.buffer.byteLength;
  if (short > 0) scan.memory.grow(Math.ceil(short / pageBytes) + 16);
}

export const formatChecksum = (sum: bigint): string => BigInt.asUintN(64, sum).toString(16).padStart(16, "0");
