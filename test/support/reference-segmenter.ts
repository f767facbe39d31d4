// The rules of FORMAT.md, "Segments", written down a second time: slowly, in plain JavaScript, from the text and not from
// row-scan.wat. Tests hold the two against each other.

const mask = 0xffff_ffff_ffff_ffffn;
const P1 = 0x9e3779b185ebca87n;
const P2 = 0xc2b2ae3d27d4eb4fn;
const P3 = 0x165667b19e3779f9n;
const P4 = 0x85ebca77c2b2ae63n;
const P5 = 0x27d4eb2f165667c5n;
const mul = (a: bigint, b: bigint): bigint => (a * b) & mask;
const add = (a: bigint, b: bigint): bigint => (a + b) & mask;
const rotl = (a: bigint, by: bigint): bigint => ((a << by) | (a >> (64n - by))) & mask;
const round = (acc: bigint, input: bigint): bigint => mul(rotl(add(acc, mul(input, P2)), 31n), P1);

/** XXH64, as its specification has it. */
export function xxh64(bytes: Buffer, seed: bigint): bigint {
  let at = 0;
  let hash: bigint;
  if (bytes.length >= 32) {
    const lanes = [add(add(seed, P1), P2), add(seed, P2), seed & mask, (seed - P1) & mask];
    for (; at + 32 <= bytes.length; at += 32)
      for (const [lane, value] of lanes.entries()) lanes[lane] = round(value, bytes.readBigUInt64LE(at + lane * 8));
    const [a = 0n, b = 0n, c = 0n, d = 0n] = lanes;
    hash = add(add(rotl(a, 1n), rotl(b, 7n)), add(rotl(c, 12n), rotl(d, 18n)));
    for (const value of lanes) hash = add(mul(hash ^ round(0n, value), P1), P4);
  } else {
    hash = add(seed, P5);
  }
  hash = add(hash, BigInt(bytes.length));
  for (; at + 8 <= bytes.length; at += 8)
    hash = add(mul(rotl(hash ^ round(0n, bytes.readBigUInt64LE(at)), 27n), P1), P4);
  for (; at + 4 <= bytes.length; at += 4)
    hash = add(mul(rotl(hash ^ mul(BigInt(bytes.readUInt32LE(at)), P1), 23n), P2), P3);
  for (; at < bytes.length; at += 1) hash = mul(rotl(hash ^ mul(BigInt(bytes.readUInt8(at)), P5), 11n), P1);
  hash = mul(hash ^ (hash >> 33n), P2);
  hash = mul(hash ^ (hash >> 29n), P3);
  return hash ^ (hash >> 32n);
}

export interface ReferenceOptions {
  readonly seed: bigint;
  readonly keyColumnCount: number;
  readonly targetBytes: number;
  readonly minBytes: number;
  readonly maxBytes: number;
}

export function segmentByReference(text: Buffer, options: ReferenceOptions) {
  const { seed, keyColumnCount, targetBytes, minBytes, maxBytes } = options;
  const span = targetBytes - minBytes;
  const segments: { raw: string; rows: number }[] = [];
  let [sum, start, rows] = [0n, 0, 0];
  for (let at = 0; at < text.length;) {
    const newline = text.indexOf(10, at);
    const row = text.subarray(at, newline);
    at = newline + 1;
    sum = add(sum, xxh64(row, 0n));
    rows += 1;
    const segmentBytes = at - start;
    const rowBytes = row.length + 1;
    const isDrawn = xxh64(keyOf(row, keyColumnCount), seed) < BigInt(rowBytes) * ((1n << 64n) / BigInt(span));
    if (segmentBytes >= maxBytes || (segmentBytes >= minBytes && (rowBytes >= span || isDrawn))) {
      segments.push({ raw: text.toString("latin1", start, at), rows });
      [start, rows] = [at, 0];
    }
  }
  if (rows > 0) segments.push({ raw: text.toString("latin1", start), rows });
  return { segments, checksum: sum.toString(16).padStart(16, "0") };
}

function keyOf(row: Buffer, columns: number): Buffer {
  if (columns === 0) return row;
  let end = -1;
  for (let left = columns; left > 0; left -= 1) {
    end = row.indexOf(9, end + 1);
    if (end === -1) return row;
  }
  return row.subarray(0, end);
}
