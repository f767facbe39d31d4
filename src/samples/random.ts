// A small deterministic generator (sfc32): the same seed gives the same weddings, byte for byte, on every machine.
export class Random {
  private a: number;
  private b: number;
  private c: number;
  private d = 1;

  constructor(seed: number) {
    this.a = seed >>> 0;
    this.b = (seed ^ 0x9e3779b9) >>> 0;
    this.c = (seed * 0x85ebca6b) >>> 0;
    for (let i = 0; i < 12; i++) this.uint32();
  }

  uint32(): number {
    const t = (((this.a + this.b) | 0) + this.d) | 0;
    this.d = (this.d + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (this.c << 21) | (this.c >>> 11);
    this.c = (this.c + t) | 0;
    return t >>> 0;
  }

  /** 0 to below `limit`. */
  below(limit: number): number {
    return Math.floor((this.uint32() / 4294967296) * limit);
  }

  chance(probability: number): boolean {
    return this.uint32() / 4294967296 < probability;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T;
  }

  uuid(): string {
    const hex = [this.uint32(), this.uint32(), this.uint32(), this.uint32()]
      .map((word) => word.toString(16).padStart(8, "0"))
      .join("");
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`;
  }

  bytes(count: number): Buffer {
    const bytes = Buffer.allocUnsafe(count);
    let at = 0;
    for (; at + 4 <= count; at += 4) bytes.writeUInt32LE(this.uint32(), at);
    for (; at < count; at++) bytes[at] = this.below(256);
    return bytes;
  }
}
