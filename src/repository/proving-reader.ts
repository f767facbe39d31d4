// Reads content to the end, because readers prove what they read. What is damaged becomes a problem; the rest is read on.
import { freeMemory } from "./owned-memory.ts";
import { isDamage, type Problem } from "./damage.ts";

export class ProvingReader {
  /** Raw bytes proven. */
  bytes = 0;
  readonly problems: Problem[] = [];
  private readonly onProgress: ((progress: { bytes: number }) => void) | undefined;

  constructor(onProgress: ((progress: { bytes: number }) => void) | undefined) {
    this.onProgress = onProgress;
  }

  /** @param use must keep nothing of the buffer, which is freed behind it @returns whether all of it is whole */
  async read(name: string, content: AsyncIterable<Buffer>, use: (raw: Buffer) => void = () => {}): Promise<boolean> {
    try {
      for await (const raw of content) {
        this.bytes += raw.length;
        this.onProgress?.({ bytes: this.bytes });
        use(raw);
        freeMemory(raw);
      }
      return true;
    } catch (error) {
      // One damaged table must not hide that the others are whole; anything else (no storage) ends the proof.
      if (!isDamage(error)) throw error;
      this.problems.push({ key: name, code: error.code, message: error.message });
      return false;
    }
  }
}
