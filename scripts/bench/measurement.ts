// One line of the result: ours, a peer or a limit of the same run, and the goal that the two must meet.
export interface Measurement {
  /** Of the goals: P1 to P12. */
  readonly goal: string;
  readonly work: string;
  readonly unit: "s" | "MB" | "MB/s" | "%" | "1/s" | "ms" | "events" | "connections" | "runs" | "queries";
  /** One figure for each run. */
  readonly ours: readonly number[];
  readonly peer: { readonly name: string; readonly figures: readonly number[] } | null;
  /** On the ratio ours / peer where there is a peer, else on ours. Null: for comparison only. */
  readonly limit: { readonly atMost: number } | { readonly atLeast: number } | null;
}

export function median(figures: readonly number[]): number {
  const sorted = figures.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low, high] = [sorted[middle - 1] ?? Number.NaN, sorted[middle] ?? Number.NaN];
  return sorted.length % 2 === 1 ? high : (low + high) / 2;
}

/** Medians first, then the ratio: one slow run of either does not decide. */
export function judge({ ours, peer, limit }: Measurement): { value: number; met: boolean | null } {
  const value = peer === null ? median(ours) : median(ours) / median(peer.figures);
  if (limit === null || Number.isNaN(value)) return { value, met: null };
  return { value, met: "atMost" in limit ? value <= limit.atMost : value >= limit.atLeast };
}

/** Each run does every contestant once, so that a noisy minute hits them all. */
export async function interleave(runs: number, contestants: readonly (() => Promise<void>)[]): Promise<void> {
  for (let run = 0; run < runs; run++) for (const contestant of contestants) await contestant();
}
