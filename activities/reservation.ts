// A part of a bench's memory, granted to one batch.
export class Reservation {
  bytes: number;
  private readonly give: (bytes: number) => void;

  constructor(bytes: number, give: (bytes: number) => void) {
    this.bytes = bytes;
    this.give = give;
  }

  shrinkTo(bytes: number): void {
    if (bytes >= this.bytes) return;
    const freed = this.bytes - bytes;
    this.bytes = bytes;
    this.give(freed);
  }

  release(): void {
    this.shrinkTo(0);
  }
}
