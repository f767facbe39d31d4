// A worker's bench: the one place where organizations' data lies while it is worked on, in memory only, within a bound.
// `collect` puts a batch on it; `compress`, `encrypt` and `upload` replace the batch in place; `upload` frees it.
// Nothing readable is ever written to a disk. A worker that dies loses its bench, and with it nothing but time.
import { BackupError } from "../src/domain/errors.ts";
import type { SessionKey } from "./contract.ts";
import type { BackupSession } from "./backup-session.ts";
import { Reservation } from "./reservation.ts";

export class Bench {
  readonly queue: string;
  /** What a batch may hold, compressed and not yet: about the size of its pack. Rows become a fifth. */
  readonly batchBytes: number;
  private readonly sessions = new Map<string, BackupSession>();
  private readonly memoryBytes: number;
  private reservedBytes = 0;
  private readonly waiting: { bytes: number; start: (reservation: Reservation) => void }[] = [];

  constructor(options: { queue: string; memoryBytes: number; batchBytes?: number }) {
    this.batchBytes = options.batchBytes ?? 16 * 1024 * 1024;
    this.queue = options.queue;
    this.memoryBytes = options.memoryBytes;
  }

  place(key: SessionKey, session: BackupSession): void {
    this.sessions.set(nameOf(key), session);
  }

  session(key: SessionKey): BackupSession {
    const session = this.sessions.get(nameOf(key));
    if (session === undefined) throw new BackupError("BenchLost", "This worker no longer holds the backup's batches.");
    return session;
  }

  async clear(key: SessionKey): Promise<void> {
    const session = this.sessions.get(nameOf(key));
    this.sessions.delete(nameOf(key));
    await session?.close();
  }

  /**
   * Waits for room, first come first served. A caller never holds one reservation while it waits for another, so waiting
   * can't lock up.
   */
  async reserve(bytes: number, signal: AbortSignal): Promise<Reservation> {
    signal.throwIfAborted();
    const wanted = Math.min(bytes, this.memoryBytes);
    if (this.waiting.length === 0 && this.reservedBytes + wanted <= this.memoryBytes) return this.grant(wanted);
    return await new Promise<Reservation>((resolve, reject) => {
      const leave = (): void => {
        this.waiting.splice(this.waiting.indexOf(entry), 1);
        reject(signal.reason as Error);
        this.admit();
      };
      const entry = {
        bytes: wanted,
        start: (reservation: Reservation): void => {
          signal.removeEventListener("abort", leave);
          resolve(reservation);
        },
      };
      this.waiting.push(entry);
      signal.addEventListener("abort", leave, { once: true });
    });
  }

  private grant(bytes: number): Reservation {
    this.reservedBytes += bytes;
    return new Reservation(bytes, (freed) => {
      this.reservedBytes -= freed;
      this.admit();
    });
  }

  private admit(): void {
    for (let next = this.waiting[0]; next !== undefined; next = this.waiting[0]) {
      if (this.reservedBytes + next.bytes > this.memoryBytes) return;
      this.waiting.shift();
      next.start(this.grant(next.bytes));
    }
  }
}

const nameOf = ({ backupId, attempt }: SessionKey): string => `${backupId}/${attempt}`;
