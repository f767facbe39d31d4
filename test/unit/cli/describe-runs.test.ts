import { describe, expect, test } from "@jest/globals";
import { describeRuns } from "../../../src/cli/describe-runs.ts";
import type { BackupRun } from "../../../src/cli/run-results.ts";

const completed = { status: "completed", proof: "content", rows: 1_112, files: 24, missingFiles: 0, reusedBytes: 0 };
const sizes = { rawBytes: 40 * 1024 * 1024, storedBytes: 1_500_000, durationMs: 1_670 };
const run = (organizationId: string, changes: object = {}): BackupRun =>
  ({ organizationId, ...completed, ...sizes, ...changes }) as unknown as BackupRun;
const id = "09b4bffd-eefc-41fa-aaae-cc07cd40192d";
const names = new Map<string, string>();

describe("a summary of runs", () => {
  test("fits a terminal of 100 columns, with ids and restore tests", () => {
    const restoreTests = new Map([[id, "0.23 s"]]);
    const text = describeRuns([run(id), run(id)], { names, elapsedMs: 2_000, restoreTests });
    for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(100);
    expect(text).toContain("2 organizations");
  });

  test("says how small and how fast", () => {
    expect(describeRuns([run(id)], { names, elapsedMs: 2_000 })).toContain(
      "40.0 MiB of new data became 1.4 MiB, compressed and sealed, at 20.0 MiB/s.",
    );
  });

  test("says what an unchanged organization cost, and no rate of nothing", () => {
    const text = describeRuns([run(id, { reusedBytes: 40 * 1024 * 1024, storedBytes: 10_240 })], { names });
    expect(text).toContain("Nothing had changed: 10.0 KiB");
    expect(text).not.toContain("B/s");
  });

  test("names failures and missing files by the organization's name where it is known", () => {
    const failed: BackupRun = { organizationId: "7", error: { code: "StorageFull", message: "No room." } };
    const text = describeRuns([failed, run(id, { missingFiles: 3 })], { names: new Map([["7", "Orchard Barn"]]) });
    expect(text).toContain("FAILED StorageFull");
    expect(text).toContain("Orchard Barn: StorageFull: No room.");
    expect(text).toContain("INCOMPLETE, read back");
    expect(text).toContain("3 files that rows name were missing");
  });

  test("of many runs shows the troubled ones, and counts the others", () => {
    const many = [...Array.from({ length: 900 }, () => run(id)), run("last", { missingFiles: 1 })];
    const text = describeRuns(many, { names });
    expect(text.split("\n").length).toBeLessThan(60);
    expect(text).toContain("last");
    expect(text).toContain("… and 861 more");
    expect(text).toContain("901 organizations");
  });
});
