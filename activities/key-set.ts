// A set of keys that takes 16 bytes a key whatever their length: 64-bit hashes in an open table. Two keys could share a
// hash (at four million keys once in a million tables); the counts of whoever asks would then not add up, and it reads the
// table whole.

export class KeySet {
  private readonly slots: Uint32Array;
  private readonly mask: number;

  constructor(expectedKeys: number) {
    const size = 2 ** Math.ceil(Math.log2(Math.max(16, expectedKeys * 2)));
    this.slots = new Uint32Array(size * 2);
    this.mask = size - 1;
  }

  /** At most as many as were expected. */
  add(key: string): void {
    this.find(key, true);
  }

  has(key: string): boolean {
    return this.find(key, false);
  }

  private find(key: string, insert: boolean): boolean {
    let high = 0xdeadbeef;
    let low = 0x41c6ce57;
    for (let i = 0; i < key.length; i++) {
      const unit = key.charCodeAt(i);
      high = Math.imul(high ^ unit, 2654435761);
      low = Math.imul(low ^ unit, 1597334677);
    }
    high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
    low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
    // An empty slot is two zeros; no hash is.
    const first = high >>> 0 || 1;
    const second = low >>> 0;
    for (let at = first & this.mask; ; at = (at + 1) & this.mask) {
      const held = this.slots[at * 2];
      if (held === 0) {
        if (insert) this.slots.set([first, second], at * 2);
        return false;
      }
      if (held === first && this.slots[at * 2 + 1] === second) return true;
    }
  }
}
