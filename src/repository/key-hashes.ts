// Hashes of key fields in rows of COPY text: a list of 8 bytes a row that can be sorted and searched.

const newline = 0x0a;
const tab = 0x09;
const backslash = 0x5c;
const letterN = 0x4e;

export class HashList {
  private values: Float64Array;
  private length = 0;

  constructor(expected: number) {
    this.values = new Float64Array(Math.max(16, expected));
  }

  add(hash: number): void {
    if (this.length === this.values.length) {
      const grown = new Float64Array(this.values.length * 2);
      grown.set(this.values);
      this.values = grown;
    }
    this.values[this.length++] = hash;
  }

  /** @returns how many are there more than once. */
  sort(): number {
    const sorted = this.values.subarray(0, this.length).sort();
    let doubles = 0;
    for (let index = 1; index < sorted.length; index++) if (sorted[index] === sorted[index - 1]) doubles += 1;
    return doubles;
  }

  /** `other` must be sorted. */
  countMissingFrom(other: HashList): number {
    let missing = 0;
    for (let index = 0; index < this.length; index++) if (!other.has(this.values[index] as number)) missing += 1;
    return missing;
  }

  private has(hash: number): boolean {
    let [low, high] = [0, this.length - 1];
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const value = this.values[middle] as number;
      if (value === hash) return true;
      if (value < hash) low = middle + 1;
      else high = middle - 1;
    }
    return false;
  }
}

/** Adds a hash of these fields for every row of `text` (whole rows) in which none of them is NULL. */
export function hashFields(text: Buffer, fields: readonly number[], into: HashList): void {
  const last = Math.max(...fields);
  const starts: number[] = [];
  const ends: number[] = [];
  for (let at = 0; at < text.length;) {
    let field = 0;
    let start = at;
    for (;;) {
      const byte = at < text.length ? text[at] : newline;
      if (byte === tab || byte === newline) {
        starts[field] = start;
        ends[field] = at;
        field += 1;
        start = at + 1;
        if (byte === newline) break;
        if (field > last) {
          const end = text.indexOf(newline, at);
          at = end < 0 ? text.length : end;
          break;
        }
      }
      at += 1;
    }
    at += 1;
    let [high, low] = [0xdeadbeef, 0x41c6ce57];
    let isNull = false;
    for (const index of fields) {
      const from = starts[index] as number;
      const to = ends[index] as number;
      if (to - from === 2 && text[from] === backslash && text[from + 1] === letterN) isNull = true;
      for (let place = from; place < to; place++) {
        const byte = text[place] as number;
        high = Math.imul(high ^ byte, 2_654_435_761);
        low = Math.imul(low ^ byte, 1_597_334_677);
      }
      // Between two fields: "a", "bc" is not "ab", "c".
      high = Math.imul(high ^ 0x100, 2_654_435_761);
      low = Math.imul(low ^ 0x100, 1_597_334_677);
    }
    if (!isNull) into.add(finish(high, low));
  }
}

function finish(high: number, low: number): number {
  let [a, b] = [high, low];
  a = Math.imul(a ^ (a >>> 16), 2_246_822_507) ^ Math.imul(b ^ (b >>> 13), 3_266_489_909);
  b = Math.imul(b ^ (b >>> 16), 2_246_822_507) ^ Math.imul(a ^ (a >>> 13), 3_266_489_909);
  return (b & 0xf_ffff) * 4_294_967_296 + (a >>> 0);
}
