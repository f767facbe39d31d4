// Who opens a run in the Temporal Web UI must see what it waits for, by when, and what happens if nobody acts.
import { expect, test } from "@jest/globals";
import { restoreDefaults, type RestoreOrder, type RestoreProgress } from "../../../src/domain/restore-run.ts";
import { renderRestore } from "../../../workflows/restore-details.ts";

const order: RestoreOrder = {
  ...restoreDefaults,
  restoreId: "r",
  organizationId: "o",
  targetOrganizationId: "o",
  requestedBy: "ada",
  strategy: "prompt",
};
const wait = { until: "2026-06-04T10:30:59.123Z", undecided: 0 };
const progress: RestoreProgress = {
  stage: "decide",
  waiting: null,
  isApproved: false,
  backup: null,
  drift: [],
  differences: null,
  askedAgain: 0,
};
const draw = (asked: Partial<RestoreOrder>, seen: Partial<RestoreProgress>): string =>
  renderRestore({ ...order, ...asked }, { ...progress, ...seen });

test("conflicts and approval", () => {
  const text = draw({ defaultDecision: "keep live" }, { waiting: { ...wait, for: "decisions", undecided: 12 } });
  expect(text).toContain("**Waits for people: 12 decisions and approval**");
  expect(text).toContain("1. Decide 12 conflicts: `wedsync-backup restores decide r`");
  expect(text).toContain("2. Approve it: `wedsync-backup restores approve r`");
  // A default decides conflicts; it never approves.
  expect(text).toContain(
    "If it is not approved by **2026-06-04 10:30 UTC**, nothing is restored; approved, but not all",
  );
  expect(text).toContain("“keep live” holds for the rest");
});

test("conflicts of a restore that was approved", () => {
  const waiting = { ...wait, for: "decisions" as const, undecided: 1 };
  const text = draw({}, { isApproved: true, waiting });
  expect(text).toContain("**Waits for people: 1 decision**");
  expect(text).not.toContain("approve");
  expect(text).toContain("If it is not all decided by **2026-06-04 10:30 UTC**, nothing is restored.");
  const withDefault = draw({ defaultDecision: "take backup" }, { isApproved: true, waiting });
  expect(withDefault).toContain("10:30 UTC**, “take backup” holds for the rest.");
});

test("approval alone, also when the last conflict has just been decided", () => {
  for (const what of ["approval", "decisions"] as const) {
    const text = draw({}, { waiting: { ...wait, for: what } });
    expect(text).toContain("**Waits for people: approval**");
    expect(text).toContain("1. Approve it");
    expect(text).not.toContain("Decide");
  }
});

test("a look at a dry run", () => {
  const table = { table: "public.guests", missing: 3, changed: 2, same: 9, liveOnly: 4, taken: 1 };
  const seen = { waiting: { ...wait, for: "a look at the dry run" as const }, differences: [table] };
  const text = draw({ dryRun: true, strategy: "overwrite" }, seen);
  expect(text).toContain("**The dry run is done**: its rows can be looked at. Nobody has to act");
  expect(text).toContain(
    "A restore with these choices, in rows: 3 missing come back; 2 changed are written over by the backup's; 4 that exist only live stay; 1 can't come back",
  );
  expect(draw({ dryRun: true, strategy: "skip", liveOnly: "mirror" }, seen)).toContain(
    "2 changed stay as they are; 4 that exist only live are REMOVED;",
  );
  expect(text).toContain("Look at the rows until **2026-06-04 10:30 UTC**: `wedsync-backup restores rows r`");
});
