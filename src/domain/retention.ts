// Which backups of an organization are kept, and by which rule. Pure: whoever removes anything, and whoever shows what would
// be removed, ask this.
//
// A backup is let go only when rules have judged it and none keeps it. What no rule judges stays: a policy without retention
// keeps all that it made, and backups that no policy made stay until a policy says how long those are kept.
import { periods, periodsOf, type Period, type PeriodNames } from "./calendar-periods.ts";

/** Of one policy. Every rule keeps; none removes. At least one of those that count or measure time is set. */
export interface RetentionRules extends Readonly<Partial<Record<Period, number>>> {
  /** The newest so many. */
  readonly last?: number;
  /** All that are younger. */
  readonly withinDays?: number;
  /** So many proven ones stay whatever the other rules say; while fewer are proven, all stay. */
  readonly minProven: number;
  /** How long backups stay that no policy made (by hand, right before a restore, by a policy that is gone); else for ever. */
  readonly othersDays?: number;
}

export const countRules = ["last", "withinDays", ...periods] as const;
export const retentionDefaults = { minProven: 1 } as const;
export const retentionLimits = { most: 10_000, mostDays: 36_500 } as const;

/** What is wrong with the rules; null = nothing. */
export function findRetentionFault(rules: RetentionRules): string | null {
  const whole = (value: number | undefined, least: number, most: number): boolean =>
    value === undefined || (Number.isInteger(value) && value >= least && value <= most);
  const { most, mostDays } = retentionLimits;
  for (const name of countRules)
    if (!whole(rules[name], 1, name === "withinDays" ? mostDays : most)) return `${name} must be a whole number from 1`;
  if (!whole(rules.minProven, 0, most)) return "minProven must be a whole number from 0";
  if (!whole(rules.othersDays, 1, mostDays)) return "othersDays must be a whole number from 1";
  if (countRules.every((name) => rules[name] === undefined))
    return `at least one of ${countRules.join(", ")} must be set; without retention everything is kept`;
  return null;
}

export interface RetentionPolicy {
  readonly id: string;
  readonly name: string;
  readonly timeZone: string;
  /** Null = keeps everything that it made. */
  readonly rules: RetentionRules | null;
}

export interface JudgedBackup {
  readonly sequence: number;
  readonly createdAtMs: number;
  /** Nothing was missing at the source. */
  readonly complete: boolean;
  /** Of all data sets. Where that is not known: false. */
  readonly isFull: boolean;
  /** Made right before a restore: it shows what the restore was ordered against, and nobody means it by the latest. */
  readonly beforeRestore: boolean;
  /** Null: no policy made it, or that is not known. */
  readonly policyId: string | null;
  /** "failed": what proved it last found something wrong. */
  readonly proof: "proven" | "unproven" | "failed";
  /** Somebody needs it now, in words; null = nobody. */
  readonly neededBy: string | null;
}

export const keepRules = [
  "legal hold",
  "newest",
  "next backup",
  "in use",
  "no retention",
  "no policy",
  "others",
  "proven",
  "too few proven",
  "last",
  "within",
  ...periods,
] as const;

export interface KeepReason {
  readonly rule: (typeof keepRules)[number];
  /** The policy's name; null where the rule is the organization's. */
  readonly policy: string | null;
  /** "2026-11-24", "3 of 7", the hold's reason; for people. */
  readonly detail: string;
}

export interface Judgement<T extends JudgedBackup> {
  readonly backup: T;
  /** Empty = it is let go. */
  readonly keptBy: readonly KeepReason[];
}

export interface RetentionInput<T extends JudgedBackup> {
  readonly backups: readonly T[];
  readonly policies: readonly RetentionPolicy[];
  /** The reason of the legal hold; null = there is none. */
  readonly legalHold: string | null;
  readonly nowMs: number;
}

/** So many backups of some data sets in a row are looked through for the newest full one, as the next backup does. */
export const maxPartialBases = 20;
const dayMs = 86_400_000;

/** In order of their numbers, oldest first. */
export function judgeBackups<T extends JudgedBackup>(input: RetentionInput<T>): Judgement<T>[] {
  const { legalHold, nowMs } = input;
  const backups = [...input.backups].sort((a, b) => a.sequence - b.sequence);
  const reasons = new Map<T, KeepReason[]>(backups.map((backup) => [backup, []]));
  const keep = (backup: T, rule: KeepReason["rule"], policy: string | null, detail: string): void =>
    void reasons.get(backup)?.push({ rule, policy, detail });

  if (legalHold !== null) for (const backup of backups) keep(backup, "legal hold", null, legalHold);
  keepNewest(backups, keep);
  for (const backup of backups) if (backup.neededBy !== null) keep(backup, "in use", null, backup.neededBy);
  for (const policy of input.policies) {
    const made = backups.filter((backup) => backup.policyId === policy.id);
    if (policy.rules !== null) keepByRules(made, policy, policy.rules, nowMs, keep);
    else for (const backup of made) keep(backup, "no retention", policy.name, "the policy keeps everything");
  }
  const known = new Set(input.policies.map(({ id }) => id));
  const others = backups.filter(({ policyId }) => policyId === null || !known.has(policyId));
  keepOthers(others, input.policies, nowMs, keep);
  return backups.map((backup) => ({ backup, keptBy: reasons.get(backup) ?? [] }));
}

type Keep<T> = (backup: T, rule: KeepReason["rule"], policy: string | null, detail: string) => void;

/** What must be there whatever anybody asked for: FORMAT.md, "Removing", counts on the chain of the next backup's bases. */
function keepNewest<T extends JudgedBackup>(backups: readonly T[], keep: Keep<T>): void {
  const newestFirst = [...backups].reverse();
  const [newest] = newestFirst;
  if (newest === undefined) return;
  keep(newest, "newest", null, "the organization's newest");
  const latest = newestFirst.filter((backup) => !backup.beforeRestore);
  const sound = latest.find((backup) => backup.proof !== "failed");
  for (const [backup, detail] of [
    [latest[0], "the newest but those made before restores"],
    [sound, "the newest that is not damaged"],
  ] as const)
    if (backup !== undefined && backup !== newest) keep(backup, "newest", null, detail);
  const firstFull = newestFirst.findIndex((backup) => backup.isFull);
  const chain = firstFull < 0 ? maxPartialBases : Math.min(firstFull, maxPartialBases);
  for (const base of newestFirst.slice(1, chain + 1)) keep(base, "next backup", null, "the next backup builds on it");
  const full = newestFirst[firstFull];
  if (full !== undefined && firstFull > maxPartialBases) keep(full, "newest", null, "the newest of all data sets");
}

function keepByRules<T extends JudgedBackup>(
  made: readonly T[],
  { name, timeZone }: RetentionPolicy,
  rules: RetentionRules,
  nowMs: number,
  keep: Keep<T>,
): void {
  const newestFirst = [...made].reverse();
  // A damaged one must not take the place of a whole one; by its age it stays like any other.
  const sound = newestFirst.filter((backup) => backup.proof !== "failed");
  const proven = sound.filter((backup) => backup.proof === "proven");
  if (proven.length < rules.minProven)
    for (const backup of made)
      keep(backup, "too few proven", name, `${proven.length} of ${rules.minProven} are proven`);
  for (const [index, backup] of proven.slice(0, rules.minProven).entries())
    keep(backup, "proven", name, `${index + 1} of ${rules.minProven}`);
  for (const [index, backup] of sound.slice(0, rules.last ?? 0).entries())
    keep(backup, "last", name, `${index + 1} of ${rules.last}`);
  if (rules.withinDays !== undefined)
    for (const backup of made)
      if (nowMs - backup.createdAtMs <= rules.withinDays * dayMs)
        keep(backup, "within", name, `not older than ${rules.withinDays} days`);
  const asked = periods.filter((period) => rules[period] !== undefined);
  if (asked.length === 0) return;
  const named = sound.map((backup) => ({ backup, names: periodsOf(backup.createdAtMs, timeZone) }));
  for (const period of asked) {
    const count = rules[period] ?? 0;
    for (const [index, [when, backup]] of bestOfEach(named, period).slice(0, count).entries())
      keep(backup, period, name, `${when}, ${index + 1} of ${count}`);
  }
}

/** Newest period first. Periods without a backup do not count: when backups stop, what there is stays. */
function bestOfEach<T extends JudgedBackup>(
  newestFirst: readonly { readonly backup: T; readonly names: PeriodNames }[],
  period: Period,
): [string, T][] {
  const best = new Map<string, T>();
  for (const { backup, names } of newestFirst) {
    const held = best.get(names[period]);
    if (held === undefined || (backup.complete && !held.complete)) best.set(names[period], backup);
  }
  return [...best];
}

function keepOthers<T extends JudgedBackup>(
  others: readonly T[],
  policies: readonly RetentionPolicy[],
  nowMs: number,
  keep: Keep<T>,
): void {
  const [longest] = policies
    .flatMap(({ name, rules }) => (rules?.othersDays === undefined ? [] : [{ name, days: rules.othersDays }]))
    .sort((a, b) => b.days - a.days);
  for (const backup of others) {
    if (longest === undefined) keep(backup, "no policy", null, "no policy made it");
    else if (nowMs - backup.createdAtMs <= longest.days * dayMs)
      keep(backup, "others", longest.name, `no policy made it; not older than ${longest.days} days`);
  }
}

/** "daily 7, weekly 4, at least 1 proven" */
export function describeRetention(rules: RetentionRules | null): string {
  if (rules === null) return "keeps everything";
  const said = countRules.flatMap((name) => {
    const value = rules[name];
    if (value === undefined) return [];
    return [name === "withinDays" ? `within ${value} days` : `${name} ${value}`];
  });
  if (rules.minProven > 0) said.push(`at least ${rules.minProven} proven`);
  if (rules.othersDays !== undefined) said.push(`others ${rules.othersDays} days`);
  return said.join(", ");
}
