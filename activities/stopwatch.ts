// Resource figures of a stage. CPU is the main thread's, taken around the stage's own synchronous work, so that batches
// that take turns on the thread are not counted twice.
import type { StageFigures } from "../src/domain/progress.ts";

export class Stopwatch {
  private readonly startedMs = performance.now();
  private cpuMicroseconds = 0;
  bytesIn = 0;
  bytesOut = 0;

  /** Runs synchronous work and counts its CPU time. */
  measure<T>(work: () => T): T {
    const before = process.threadCpuUsage();
    try {
      return work();
    } finally {
      const spent = process.threadCpuUsage(before);
      this.cpuMicroseconds += spent.user + spent.system;
    }
  }

  figures(): StageFigures {
    return {
      wallMs: Math.round(performance.now() - this.startedMs),
      cpuMs: Math.round(this.cpuMicroseconds / 1000),
      bytesIn: this.bytesIn,
      bytesOut: this.bytesOut,
      calls: 1,
    };
  }
}

export const noFigures: StageFigures = { wallMs: 0, cpuMs: 0, bytesIn: 0, bytesOut: 0, calls: 0 };
