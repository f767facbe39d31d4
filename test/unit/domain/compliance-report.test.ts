// The report's figures are those of the evidence, and each recommendation names its figure.
import { expect, test } from "@jest/globals";
import type { Evidence } from "../../../src/domain/compliance-evidence.ts";
import { writeReport } from "../../../src/domain/compliance-report.ts";

const nothing: Evidence = {
  organizationId: "o",
  from: "2026-06-01T00:00:00Z",
  to: "2026-06-05T00:00:00Z",
  jobs: [],
  verifications: [],
  restores: [],
  policies: [],
  access: [],
  legalHold: null,
  holds: [],
  prunes: [],
  keyRotations: [],
  erasure: null,
};
const job = (day: number, status: string, errorCode: string | null = null) => ({
  status,
  startedAt: `2026-06-0${day}T02:00:00Z`,
  finishedAt: `2026-06-0${day}T02:10:00Z`,
  sequence: errorCode === null ? day : null,
  missingFiles: 0,
  errorCode,
});
const policy = { name: "nightly", cron: "0 2 * * *", proof: "content", paused: false };

test("without evidence nothing is claimed, and the first steps are advised", () => {
  const report = writeReport(nothing);
  expect(report.recoveryPoint).toEqual({ lastBackupAt: null, longestGapHours: null });
  expect(report.recoveryTime).toEqual({ lastShownSeconds: null, slowestShownSeconds: null });
  expect(report.recommendations.map((each) => each.because)).toEqual([
    "no policy is active",
    "the period holds no backup",
  ]);
});

test("coverage, gaps, failures and shown recovery times", () => {
  const report = writeReport({
    ...nothing,
    policies: [policy],
    jobs: [job(1, "completed"), job(2, "failed", "StorageFull"), job(3, "incomplete"), job(4, "completed")],
    verifications: [
      { level: "restore", proven: true, finishedAt: "2026-06-04T05:00:00Z", sequence: 4, restoreSeconds: 3 },
      { level: "restore", proven: true, finishedAt: "2026-06-01T05:00:00Z", sequence: 1, restoreSeconds: 9 },
      { level: "integrity", proven: false, finishedAt: "2026-06-02T05:00:00Z", sequence: null, restoreSeconds: null },
    ],
  });
  expect(report.coverage).toEqual({
    backups: 4,
    completed: 2,
    incomplete: 1,
    failed: 1,
    failuresByCode: { StorageFull: 1 },
  });
  expect(report.recoveryPoint).toEqual({ lastBackupAt: "2026-06-04T02:10:00Z", longestGapHours: 48 });
  expect(report.recoveryTime).toEqual({ lastShownSeconds: 3, slowestShownSeconds: 9 });
  expect(report.recommendations.map((each) => each.because)).toEqual([
    "1 of 4 runs failed: StorageFull 1",
    "1 backups are incomplete",
    "the longest time without a new backup was 48.0 hours",
    "1 checks of level integrity found problems",
  ]);
});

test("retention runs, what they let go, and that one failed", () => {
  const prune = { status: "completed", startedAt: "2026-06-02T03:00:00Z", errorCode: null };
  const report = writeReport({
    ...nothing,
    policies: [policy],
    jobs: [job(4, "completed")],
    prunes: [
      { ...prune, released: [1, 2], removedPacks: 3, removedBytes: 4_000 },
      { ...prune, released: [], removedPacks: 1, removedBytes: 500 },
      { ...prune, status: "failed", released: [], removedPacks: 0, removedBytes: 0, errorCode: "StorageReadOnly" },
    ],
  });
  expect(report.retention).toEqual({
    runs: 3,
    failed: 1,
    failuresByCode: { StorageReadOnly: 1 },
    releases: [{ at: "2026-06-02T03:00:00Z", backups: [1, 2] }],
    removedPacks: 4,
    removedBytes: 4_500,
  });
  expect(report.recommendations.map((each) => each.because)).toContain(
    "1 of 3 runs of retention failed: StorageReadOnly 1",
  );
});

test("an erased organization is not advised to begin anew; an unfinished erasure is to be ended", () => {
  const erasure = {
    status: "erased",
    requestedBy: "olga",
    requestedAt: "2026-06-02T03:00:00Z",
    finishedAt: "2026-06-02T03:10:00Z",
    certificateMac: "ab",
  };
  expect(writeReport({ ...nothing, erasure }).recommendations).toEqual([]);
  const [first] = writeReport({ ...nothing, erasure: { ...erasure, status: "incomplete" } }).recommendations;
  expect(first?.because).toBe("an erasure left objects that the store locks");
});
