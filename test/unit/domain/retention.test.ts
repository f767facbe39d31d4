// Which backups retention keeps: what must hold for any backups and any rules, and examples that a person can follow.
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { periods, periodsOf } from "../../../src/domain/calendar-periods.ts";
import {
  countRules,
  describeRetention,
  findRetentionFault,
  judgeBackups,
  maxPartialBases,
  type JudgedBackup,
  type RetentionInput,
  type RetentionPolicy,
  type RetentionRules,
} from "../../../src/domain/retention.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const startMs = Date.parse("2024-01-01T00:00:00Z");
const zones = ["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu"];

const rulesArbitrary: fc.Arbitrary<RetentionRules> = fc
  .record({
    ...Object.fromEntries(
      countRules.map((name) => [name, fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined })]),
    ),
    minProven: fc.integer({ min: 0, max: 4 }),
    othersDays: fc.option(fc.integer({ min: 1, max: 60 }), { nil: undefined }),
  })
  .map((rules) => rules as unknown as RetentionRules)
  .filter((rules) => findRetentionFault(rules) === null);

const policiesArbitrary: fc.Arbitrary<RetentionPolicy[]> = fc
  .array(fc.record({ timeZone: fc.constantFrom(...zones), rules: fc.option(rulesArbitrary) }), { maxLength: 3 })
  .map((policies) => policies.map((policy, index) => ({ ...policy, id: `p${index}`, name: `policy ${index}` })));

const backupsArbitrary: fc.Arbitrary<JudgedBackup[]> = fc
  .array(
    fc.record({
      gapMs: fc.oneof(fc.integer({ min: 0, max: 3 * hourMs }), fc.integer({ min: 0, max: 40 * dayMs })),
      complete: fc.boolean(),
      isFull: fc.boolean(),
      beforeRestore: fc.constantFrom(false, false, true),
      policyId: fc.constantFrom("p0", "p1", "p2", "gone", null),
      proof: fc.constantFrom("proven", "proven", "unproven", "failed"),
      neededBy: fc.constantFrom(null, null, null, "a restore waits"),
    }),
    { maxLength: 40 },
  )
  .map((each) => {
    let atMs = startMs;
    return each.map(({ gapMs, ...backup }, index) => ({
      ...backup,
      sequence: index + 1,
      createdAtMs: (atMs += gapMs),
    }));
  });

const inputArbitrary: fc.Arbitrary<RetentionInput<JudgedBackup>> = fc
  .record({
    backups: backupsArbitrary,
    policies: policiesArbitrary,
    legalHold: fc.constantFrom(null, null, null, "a court asks"),
    laterMs: fc.integer({ min: 0, max: 400 * dayMs }),
  })
  .map(({ laterMs, ...input }) => ({ ...input, nowMs: (input.backups.at(-1)?.createdAtMs ?? startMs) + laterMs }));

const keptOf = (input: RetentionInput<JudgedBackup>): JudgedBackup[] =>
  judgeBackups(input).flatMap(({ backup, keptBy }) => (keptBy.length > 0 ? [backup] : []));
const numbersOf = (backups: readonly JudgedBackup[]): number[] => backups.map(({ sequence }) => sequence);
const always = (property: (input: RetentionInput<JudgedBackup>) => void): void =>
  fc.assert(fc.property(inputArbitrary, property), { numRuns: 400 });

describe("whatever the rules", () => {
  test("the newest stays, and the newest that is not damaged, and what the next backup builds on", () => {
    always((input) => {
      const kept = keptOf(input);
      const newestFirst = [...input.backups].reverse();
      const latest = newestFirst.filter(({ beforeRestore }) => !beforeRestore);
      const expected = [newestFirst[0], latest[0], latest.find(({ proof }) => proof !== "failed")];
      const firstFull = newestFirst.findIndex(({ isFull }) => isFull);
      expected.push(...newestFirst.slice(0, firstFull < 0 ? maxPartialBases : firstFull + 1));
      for (const backup of expected) if (backup !== undefined) expect(kept).toContain(backup);
    });
  });

  test("the newest of all data sets stays, however many of some data sets came after it", () => {
    const rules = { last: 1, minProven: 0, othersDays: 1 };
    const backups = Array.from({ length: 30 }, (_, index) => ({
      sequence: index + 1,
      createdAtMs: startMs + index * dayMs,
      complete: true,
      isFull: index < 4,
      beforeRestore: false,
      policyId: "p0",
      proof: "proven" as const,
      neededBy: null,
    }));
    const policies = [{ id: "p0", name: "nightly", timeZone: "UTC", rules }];
    const kept = numbersOf(keptOf({ backups, policies, legalHold: null, nowMs: startMs + 400 * dayMs }));
    const bases = Array.from({ length: maxPartialBases + 1 }, (_, index) => 30 - maxPartialBases + index);
    expect(kept).toEqual([4, ...bases]);
  });

  test("a policy has as many proven backups afterwards as it asks for, or as many as it had", () => {
    always((input) => {
      const kept = keptOf(input);
      for (const { id, rules } of input.policies) {
        const provenOf = (backups: readonly JudgedBackup[]): number =>
          backups.filter(({ policyId, proof }) => policyId === id && proof === "proven").length;
        expect(provenOf(kept)).toBeGreaterThanOrEqual(Math.min(rules?.minProven ?? Infinity, provenOf(input.backups)));
      }
    });
  });

  test("while too few are proven, nothing of the policy goes", () => {
    always((input) => {
      for (const { id, rules } of input.policies) {
        const made = input.backups.filter(({ policyId }) => policyId === id);
        if (made.filter(({ proof }) => proof === "proven").length >= (rules?.minProven ?? 0)) continue;
        expect(numbersOf(keptOf(input))).toEqual(expect.arrayContaining(numbersOf(made)));
      }
    });
  });

  test("a legal hold keeps everything, and what is needed now stays", () => {
    always((input) => {
      expect(keptOf({ ...input, legalHold: "a court asks" })).toEqual(input.backups);
      const needed = input.backups.filter(({ neededBy }) => neededBy !== null);
      expect(numbersOf(keptOf(input))).toEqual(expect.arrayContaining(numbersOf(needed)));
    });
  });

  test("more generous rules keep at least the same", () => {
    fc.assert(
      fc.property(inputArbitrary, fc.constantFrom(...countRules, "minProven", "othersDays"), (input, name) => {
        const policies = input.policies.map((policy) => {
          const { rules } = policy;
          // othersDays that is not set is for ever: there is nothing more generous.
          if (rules === null || (name === "othersDays" && rules.othersDays === undefined)) return policy;
          return { ...policy, rules: { ...rules, [name]: (rules[name] ?? 0) + 1 } };
        });
        expect(numbersOf(keptOf({ ...input, policies }))).toEqual(expect.arrayContaining(numbersOf(keptOf(input))));
      }),
      { numRuns: 400 },
    );
  });

  test("what goes today goes tomorrow, too: time alone brings nothing back", () => {
    always((input) => {
      const later = keptOf({ ...input, nowMs: input.nowMs + 3 * dayMs });
      expect(numbersOf(keptOf(input))).toEqual(expect.arrayContaining(numbersOf(later)));
    });
  });

  test("once is enough: judging what was kept lets go of nothing more", () => {
    always((input) => {
      const kept = keptOf(input);
      expect(keptOf({ ...input, backups: kept })).toEqual(kept);
    });
  });

  test("a policy without retention, and no policy at all, keep everything", () => {
    always((input) => {
      const policies = input.policies.map((policy) => ({ ...policy, rules: null }));
      expect(keptOf({ ...input, policies })).toEqual(input.backups);
      expect(keptOf({ ...input, policies: [] })).toEqual(input.backups);
    });
  });

  test("the order in which backups are told does not matter", () => {
    always((input) => {
      expect(keptOf({ ...input, backups: [...input.backups].reverse() })).toEqual(keptOf(input));
    });
  });
});

const policy = (rules: RetentionRules, timeZone = "UTC"): RetentionPolicy => ({
  id: "p",
  name: "nightly",
  timeZone,
  rules,
});
const backup = (sequence: number, at: string, more: Partial<JudgedBackup> = {}): JudgedBackup => ({
  sequence,
  createdAtMs: Date.parse(at),
  complete: true,
  isFull: true,
  beforeRestore: false,
  policyId: "p",
  proof: "proven",
  neededBy: null,
  ...more,
});
const everyDay = (from: string, days: number): JudgedBackup[] =>
  Array.from({ length: days }, (_, day) => backup(day + 1, new Date(Date.parse(from) + day * dayMs).toISOString()));
const keptNumbers = (backups: JudgedBackup[], rules: RetentionRules, timeZone?: string): number[] =>
  numbersOf(
    keptOf({
      backups,
      policies: [policy(rules, timeZone)],
      legalHold: null,
      nowMs: backups.at(-1)?.createdAtMs ?? startMs,
    }),
  );

describe("grandfather, father, son", () => {
  test("keeps the newest of each day, week, month and year", () => {
    const backups = everyDay("2025-01-01T02:00:00Z", 500); // to 2026-05-15, a Friday
    const rules = { daily: 3, weekly: 3, monthly: 3, yearly: 2, minProven: 1 };
    const days = keptNumbers(backups, rules).map((number) =>
      new Date(backups[number - 1]?.createdAtMs ?? 0).toISOString().slice(0, 10),
    );
    expect(days).toEqual([
      "2025-12-31", // the newest of 2025
      "2026-03-31", // of March
      "2026-04-30", // of April
      "2026-05-03", // Sunday: of its week
      "2026-05-10",
      "2026-05-13",
      "2026-05-14",
      "2026-05-15",
    ]);
  });

  test("run night after night, it ends with the same as judged once", () => {
    const rules = { daily: 7, weekly: 4, monthly: 12, minProven: 1 };
    const all = everyDay("2025-01-01T02:00:00Z", 430);
    let there: JudgedBackup[] = [];
    for (const next of all) {
      there = keptOf({
        backups: [...there, next],
        policies: [policy(rules)],
        legalHold: null,
        nowMs: next.createdAtMs,
      });
    }
    expect(numbersOf(there)).toEqual(keptNumbers(all, rules));
  });

  test("periods without a backup do not count: when backups stop, what there is stays", () => {
    const backups = [
      backup(1, "2020-01-01T00:00:00Z"),
      backup(2, "2021-01-01T00:00:00Z"),
      backup(3, "2026-01-01T00:00:00Z"),
    ];
    expect(keptNumbers(backups, { daily: 3, minProven: 0 })).toEqual([1, 2, 3]);
  });

  test("takes a complete backup before an incomplete one, and never a damaged one, for a period's place", () => {
    const backups = [
      backup(1, "2026-01-01T01:00:00Z"),
      backup(2, "2026-01-01T02:00:00Z", { complete: false }),
      backup(3, "2026-01-02T01:00:00Z"),
      backup(4, "2026-01-02T02:00:00Z", { proof: "failed" }),
      backup(5, "2026-01-03T01:00:00Z"),
    ];
    expect(keptNumbers(backups, { daily: 3, minProven: 0 })).toEqual([1, 3, 5]);
  });

  test("names every rule that keeps a backup", () => {
    const backups = everyDay("2026-01-01T02:00:00Z", 3);
    const judged = judgeBackups({
      backups,
      policies: [policy({ last: 1, weekly: 1, minProven: 1 })],
      legalHold: null,
      nowMs: backups[2]?.createdAtMs ?? 0,
    });
    expect(judged.map(({ keptBy }) => keptBy.map(({ rule, detail }) => `${rule}: ${detail}`))).toEqual([
      [],
      [],
      ["newest: the organization's newest", "proven: 1 of 1", "last: 1 of 1", "weekly: week of 2025-12-29, 1 of 1"],
    ]);
  });
});

describe("days and hours are those of the policy's time zone", () => {
  test("a day is the clock's day", () => {
    const backups = [
      backup(1, "2026-06-01T21:30:00Z"),
      backup(2, "2026-06-01T22:30:00Z"),
      backup(3, "2026-06-02T10:00:00Z"),
    ];
    expect(keptNumbers(backups, { daily: 2, minProven: 0 }, "UTC")).toEqual([2, 3]);
    expect(keptNumbers(backups, { daily: 2, minProven: 0 }, "Europe/Berlin")).toEqual([1, 3]);
  });

  test("the hour that is twice at the end of summer time is two hours; the one that is skipped is none", () => {
    const autumn = ["2026-10-25T00:10:00Z", "2026-10-25T00:40:00Z", "2026-10-25T01:10:00Z", "2026-10-25T01:40:00Z"];
    expect(new Set(autumn.map((at) => periodsOf(Date.parse(at), "Europe/Berlin").hourly)).size).toBe(2);
    expect(new Set(autumn.map((at) => periodsOf(Date.parse(at), "Europe/Berlin").daily)).size).toBe(1);
    const spring = ["2026-03-29T00:59:00Z", "2026-03-29T01:00:00Z"].map((at) =>
      periodsOf(Date.parse(at), "Europe/Berlin"),
    );
    expect(spring.map(({ hourly }) => hourly)).toEqual(["2026-03-29 01h (+60 min)", "2026-03-29 03h (+120 min)"]);
  });

  test("a day of 23 or 25 hours, a day that never was, and a zone of half an hour are periods like others", () => {
    const changes = [
      "2011-12-30",
      "2012-03-11",
      "2012-03-25",
      "2012-04-01",
      "2012-09-30",
      "2012-10-07",
      "2012-10-28",
      "2012-11-04",
    ];
    for (const zone of zones) {
      const seen = new Set<string>();
      let names = periodsOf(Date.parse("2011-12-28T12:00:00Z"), zone);
      for (const change of changes) {
        for (let atMs = Date.parse(change) - 1.5 * dayMs; atMs < Date.parse(change) + 1.5 * dayMs; atMs += hourMs / 2) {
          const next = periodsOf(atMs, zone);
          for (const period of periods) {
            if (next[period] === names[period]) continue;
            // A period that is over does not come again.
            expect([zone, period, next[period], seen.has(next[period])]).toEqual([zone, period, next[period], false]);
            seen.add(names[period]);
          }
          names = next;
        }
      }
      expect([zone, seen.has("2011-12-30")]).toEqual([zone, zone !== "Pacific/Apia"]);
    }
  });

  test("a week begins on Monday, across the end of a year", () => {
    const weekOf = (day: string): string => periodsOf(Date.parse(`${day}T12:00:00Z`), "UTC").weekly;
    expect(weekOf("2025-12-28")).toBe("week of 2025-12-22");
    expect(weekOf("2025-12-29")).toBe("week of 2025-12-29");
    expect(weekOf("2026-01-04")).toBe("week of 2025-12-29");
    expect(weekOf("1969-12-31")).toBe("week of 1969-12-29");
  });
});

describe("backups that no policy made", () => {
  const others = [
    backup(1, "2026-01-01T00:00:00Z", { policyId: null }),
    backup(2, "2026-01-20T00:00:00Z", { policyId: "gone" }),
  ];
  const nightly = backup(3, "2026-02-01T00:00:00Z");
  const kept = (rules: RetentionRules): number[] => keptNumbers([...others, nightly], rules);

  test("stay, until a policy says how long", () => {
    expect(kept({ last: 1, minProven: 1 })).toEqual([1, 2, 3]);
    expect(kept({ last: 1, minProven: 1, othersDays: 20 })).toEqual([2, 3]);
    expect(kept({ last: 1, minProven: 1, othersDays: 1 })).toEqual([3]);
  });
});

test("rules that keep nothing, and numbers that are none, are refused", () => {
  expect(findRetentionFault({ minProven: 1 })).toContain("at least one of");
  expect(findRetentionFault({ minProven: -1, last: 1 })).toContain("minProven");
  expect(findRetentionFault({ minProven: 1, daily: 0 })).toContain("daily");
  expect(findRetentionFault({ minProven: 1, weekly: 1.5 })).toContain("weekly");
  expect(findRetentionFault({ minProven: 1, withinDays: Number.NaN })).toContain("withinDays");
  expect(findRetentionFault({ minProven: 1, last: 1, othersDays: 0 })).toContain("othersDays");
  expect(findRetentionFault({ minProven: 0, yearly: 7 })).toBeNull();
  expect(describeRetention({ daily: 7, withinDays: 2, minProven: 1 })).toBe(
    "within 2 days, daily 7, at least 1 proven",
  );
  expect(describeRetention(null)).toBe("keeps everything");
});
