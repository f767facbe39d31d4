// Numbers of backups that are gone for a reason, as runs: a list of kept backups and as many runs between them, however
// many were let go.

export interface ReleasedRun {
  readonly from: number;
  readonly to: number;
  /** SHA-256 of manifest `to`, hex: what the manifest after the run says that it was written after; null = not known. */
  readonly last: string | null;
  /** unknown: they were missing, and a person wrote down that this is known. */
  readonly by: "retention" | "unknown";
}

export const isReleased = (runs: readonly ReleasedRun[], sequence: number): boolean =>
  runs.some(({ from, to }) => from <= sequence && sequence <= to);

/** In order; runs side by side and for the same reason become one. */
export function joinRuns(runs: readonly ReleasedRun[]): ReleasedRun[] {
  const joined: ReleasedRun[] = [];
  for (const run of [...runs].sort((a, b) => a.from - b.from)) {
    const before = joined.at(-1);
    if (before !== undefined && before.to + 1 === run.from && before.by === run.by)
      joined[joined.length - 1] = { ...run, from: before.from };
    else joined.push(run);
  }
  return joined;
}

interface Linked {
  readonly sequence: number;
  readonly previousManifestHash: string | null;
  readonly hash: string;
}

/**
 * Numbers below the newest that neither a manifest nor a run accounts for, as runs that would: what was removed by nobody
 * that we know. `manifests`: all that are there, in order.
 */
export function findMissing(manifests: readonly Linked[], runs: readonly ReleasedRun[]): ReleasedRun[] {
  const missing: ReleasedRun[] = [];
  let next = 1;
  const accountFor = (from: number, to: number, last: string | null): void => {
    if (next < from) missing.push({ from: next, to: from - 1, last, by: "unknown" });
    next = Math.max(next, to + 1);
  };
  const present = manifests.map(({ sequence, previousManifestHash }) => ({
    from: sequence,
    to: sequence,
    last: previousManifestHash,
  }));
  const gone = runs.map(({ from, to }) => ({ from, to, last: null }));
  for (const { from, to, last } of [...present, ...gone].sort((a, b) => a.from - b.from)) accountFor(from, to, last);
  return missing;
}

/** What the manifest of this number must state as the one before it; undefined = that can't be told. */
export function expectedPrevious(
  sequence: number,
  before: { readonly sequence: number; readonly hash: string } | null,
  runs: readonly ReleasedRun[],
): string | null | undefined {
  if (sequence === 1) return null;
  if (before?.sequence === sequence - 1) return before.hash;
  const run = runs.find(({ to }) => to === sequence - 1);
  return run?.last;
}

export const describeRuns = (runs: readonly Pick<ReleasedRun, "from" | "to">[]): string =>
  runs.map(({ from, to }) => (from === to ? String(from) : `${from} to ${to}`)).join(", ");
