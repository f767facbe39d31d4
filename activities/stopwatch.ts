// Resource figures of a stage. CPU is counted once, whatever overlaps: work that a stage does on the main thread in one go is
// measured exactly; the rest of the process' CPU time (reading, checksums, the network, the garbage collector) is shared
// evenly among the stages that were under way meanwhile.
import type { StageFigures } from "../src/domain/progress.ts";

/**
 * `shared`: for stages that mostly wait and work in pieces; `own`: for those whose every piece is measured, and whose time
 * is that of the pieces, without the waits between them.
 */
type CpuKind = "own" | "shared";

const underWay = new Set<Stopwatch>();
let settledMicroseconds = 0;
let measuredMicroseconds = 0;

function settle(): void {
  const { user, system } = process.cpuUsage();
  const now = user + system;
  const rest = Math.max(0, now - settledMicroseconds - measuredMicroseconds);
  settledMicroseconds = now;
  measuredMicroseconds = 0;
  for (const watch of underWay) watch.cpuMicroseconds += rest / underWay.size;
}

export class Stopwatch {
  private readonly startedMs = performance.now();
  private readonly kind: CpuKind;
  private measuredMs = 0;
  cpuMicroseconds = 0;
  bytesIn = 0;
  bytesOut = 0;

  constructor(kind: CpuKind = "own") {
    this.kind = kind;
    if (kind === "own") return;
    settle();
    underWay.add(this);
  }

  /** Runs synchronous work and counts its CPU time. */
  measure<T>(work: () => T): T {
    const before = process.threadCpuUsage();
    const beganMs = performance.now();
    try {
      return work();
    } finally {
      this.measuredMs += performance.now() - beganMs;
      const { user, system } = process.threadCpuUsage(before);
      this.cpuMicroseconds += user + system;
      measuredMicroseconds += user + system;
    }
  }

  /** Ends a shared watch's share. */
  stop(): void {
    if (!underWay.has(this)) return;
    settle();
    underWay.delete(this);
  }

  figures(): StageFigures {
    this.stop();
    return {
      wallMs: Math.round(this.kind === "own" ? this.measuredMs : performance.now() - this.startedMs),
      // Small stages take less than a millisecond; whole ones would add up to nothing.
      cpuMs: Math.round(this.cpuMicroseconds) / 1000,
      bytesIn: this.bytesIn,
      bytesOut: this.bytesOut,
      calls: 1,
    };
  }
}
