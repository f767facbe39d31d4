// Kept histories replay with today's workflows: a change that running workflows can't follow is seen here, not in production.
// Recorded by scripts/record-history.ts.
import { readdir, readFile } from "node:fs/promises";
import { beforeAll, expect, test } from "@jest/globals";
import proto from "@temporalio/proto";
import { Worker, type WorkflowBundle } from "@temporalio/worker";
import { cacheFolder } from "../../src/local/cache-folder.ts";
import { loadWorkflowBundle } from "../../src/worker/bundle-workflows.ts";

interface KeptHistory {
  readonly workflowId: string;
  readonly history: { readonly events: Record<string, unknown>[] };
}

const folder = new URL("histories/", import.meta.url);
const names = (await readdir(folder)).filter((name) => name.endsWith(".json")).sort();
const read = async (name: string) => JSON.parse(await readFile(new URL(name, folder), "utf8")) as KeptHistory;

let workflowBundle: WorkflowBundle;
beforeAll(async () => {
  workflowBundle = await loadWorkflowBundle(cacheFolder(process.env));
});

async function replay(kept: readonly KeptHistory[]): Promise<{ workflowId: string; error: string | null }[]> {
  const histories = kept.map(({ workflowId, history }) => ({
    workflowId,
    history: proto.temporal.api.history.v1.History.fromObject(history),
  }));
  const seen = [];
  for await (const { workflowId, error } of Worker.runReplayHistories({ workflowBundle }, histories))
    seen.push({ workflowId, error: error?.name ?? null });
  return seen;
}

test("every way that a run can end is kept", () => {
  expect(names).toEqual(
    expect.arrayContaining([
      "backup-cancelled.json",
      "backup-failed.json",
      "backup-finished.json",
      "backup-restarted.json",
      "erase-finished.json",
      "erase-refused.json",
      "policy-run.json",
      "policy-skipped.json",
      "restore-applied.json",
      "restore-cancelled.json",
      "restore-decided-by-default.json",
      "restore-dry-run.json",
      "restore-not-approved.json",
      "restore-prompt.json",
      "restore-rolled-back.json",
      "rollback-done.json",
      "rollback-refused.json",
      "verify-policy.json",
      "verify-restore.json",
    ]),
  );
});

test("all kept histories replay", async () => {
  const histories = await Promise.all(names.map(read));
  const seen = await replay(histories);
  expect(seen.length).toBeGreaterThan(0);
  expect(seen).toEqual(histories.map(({ workflowId }) => ({ workflowId, error: null })));
});

test("each of them replays as part of a trace, too: tracing may be turned on and off under runs that wait", async () => {
  const traceparent = {
    metadata: { encoding: Buffer.from("json/plain").toString("base64") },
    data: Buffer.from('"00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"').toString("base64"),
  };
  const histories = await Promise.all(names.map(read));
  for (const { history } of histories) {
    const [started] = history.events as [{ workflowExecutionStartedEventAttributes: Record<string, unknown> }];
    started.workflowExecutionStartedEventAttributes["header"] = { fields: { traceparent } };
  }
  expect(await replay(histories)).toEqual(histories.map(({ workflowId }) => ({ workflowId, error: null })));
});

test("a history that these workflows did not write is refused", async () => {
  const text = JSON.stringify(await read("backup-finished.json"));
  const changed = text.replaceAll('"compressBatch"', '"squeezeBatch"');
  expect(changed).not.toBe(text);
  expect(await replay([JSON.parse(changed) as KeptHistory])).toMatchObject([{ error: "DeterminismViolationError" }]);
});
