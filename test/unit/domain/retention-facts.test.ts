// From what the control tables know to what retention judges: who needs a backup now, and what counts where nothing is known.
import { describe, expect, test } from "@jest/globals";
import { judgeBackups } from "../../../src/domain/retention.ts";
import { describeRemembered, describeStored, type RetentionFacts } from "../../../src/domain/retention-facts.ts";

const policy = { id: "p", name: "nightly", timeZone: "UTC", rules: { last: 1, minProven: 0 } };
const remembered = (sequence: number) => ({
  backupId: `b${sequence}`,
  sequence,
  createdAtMs: sequence,
  complete: true,
  policyId: "p",
  isFull: true,
  beforeRestore: false,
  proof: "proven" as const,
});
const nothing: RetentionFacts = {
  policies: [policy],
  legalHold: null,
  backups: [1, 2, 3].map(remembered),
  restoreWaits: false,
  readSequences: [],
  rollbackSequences: [],
};
const stored = [1, 2, 3].map((sequence) => ({
  sequence,
  backupId: `b${sequence}`,
  createdAt: new Date(sequence).toISOString(),
  complete: true,
}));
const goes = (backups: ReturnType<typeof describeRemembered>): number[] =>
  judgeBackups({ backups, policies: [policy], legalHold: null, nowMs: 10 })
    .filter(({ keptBy }) => keptBy.length === 0)
    .map(({ backup }) => backup.sequence);

describe.each([
  ["as the store shows them", (facts: RetentionFacts) => describeStored(stored, facts)],
  ["as the control tables remember them", describeRemembered],
])("backups %s", (_what, describeAll) => {
  test.each([
    ["nothing is in the way of what no rule keeps", {}, [1, 2]],
    ["a restore waits, which may choose any", { restoreWaits: true }, []],
    ["one is being read", { readSequences: [1] }, [2]],
    ["one is what a restore may be rolled back to", { rollbackSequences: [2] }, [1]],
  ])("%s", (_case, change, expected) => {
    expect(goes(describeAll({ ...nothing, ...change }))).toEqual(expected);
  });
});

test("of which the control tables know nothing, no policy's rule judges: they stay", () => {
  const [backup] = describeStored(stored, { ...nothing, backups: [] });
  expect(backup).toMatchObject({ policyId: null, isFull: false, proof: "unproven" });
  expect(goes(describeStored(stored, { ...nothing, backups: [] }))).toEqual([]);
});

test("another backup of the same number is not taken for the one that is remembered", () => {
  const [strange] = describeStored(
    [{ sequence: 1, backupId: "other", createdAt: "2026-01-01T00:00:00Z", complete: true }],
    nothing,
  );
  expect(strange).toMatchObject({ policyId: null, proof: "unproven" });
});
