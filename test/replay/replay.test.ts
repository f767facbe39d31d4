// Kept histories replay with today's workflows: a change that running workflows can't follow is seen here, not in production.
// Recorded by scripts/record-history.ts. Where a workflow asks `patched`, there are histories from before that patch and from
// after it, and each of them is shown to need the question.
import { readdir, readFile } from "node:fs/promises";
import { beforeAll, describe, expect, test } from "@jest/globals";
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

const workflows = new URL("../../workflows/", import.meta.url);
const sources = await Promise.all(
  (await readdir(workflows))
    .filter((name) => name.endsWith(".ts"))
    .map((name) => readFile(new URL(name, workflows), "utf8")),
);
const patches = [
  ...new Set(sources.flatMap((text) => [...text.matchAll(/\bpatched\("([\w-]+)"\)/g)].map(([, id = ""]) => id))),
];

let workflowBundle: { readonly code: string };
beforeAll(async () => {
  const bundle: WorkflowBundle = await loadWorkflowBundle(cacheFolder(process.env));
  if (!("code" in bundle)) throw new Error("the bundle should hold its code");
  workflowBundle = bundle;
});

async function replay(
  kept: readonly KeptHistory[],
  bundle = workflowBundle,
): Promise<{ workflowId: string; error: string | null }[]> {
  const histories = kept.map(({ workflowId, history }) => ({
    workflowId,
    history: proto.temporal.api.history.v1.History.fromObject(history),
  }));
  const seen = [];
  for await (const { workflowId, error } of Worker.runReplayHistories({ workflowBundle: bundle }, histories))
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

/** The workflows as they would be if they asked for that patch, and did not listen. */
function answerAlways(patch: string, answer: boolean): { readonly code: string } {
  const question = new RegExp(`\\(0,\\s*\\w+\\.patched\\)\\("${patch}"\\)`, "g");
  const code = workflowBundle.code.replaceAll(question, (asked) => `(${asked}, ${answer})`);
  if (code === workflowBundle.code) throw new Error(`the bundle does not ask for ${patch}`);
  return { code };
}

/** The patches that a run noted down as its own. */
const patchesOf = ({ history }: KeptHistory): string[] => [
  ...new Set(
    history.events.flatMap((event) => {
      const marker = event["markerRecordedEventAttributes"] as Marker | undefined;
      const data = marker?.markerName === "core_patch" ? marker.details["patch-data"]?.payloads[0]?.data : undefined;
      return data === undefined ? [] : [(JSON.parse(Buffer.from(data, "base64").toString()) as { id: string }).id];
    }),
  ),
];

interface Marker {
  readonly markerName: string;
  readonly details: Record<string, { payloads: { data: string }[] }>;
}

test("the patches are the ones that have histories", () => {
  expect(patches.length).toBeGreaterThan(0);
  const recorded = names.flatMap((name) => /^(?:before|after)-(.+)\.json$/.exec(name)?.[1] ?? []);
  for (const rest of recorded) expect(patches.filter((patch) => rest.startsWith(`${patch}-`))).toHaveLength(1);
});

describe.each(patches)("patch %s", (patch) => {
  const before = names.filter((name) => name.startsWith(`before-${patch}-`));
  const after = names.filter((name) => name.startsWith(`after-${patch}-`));

  test("has a run from before it and from after it, for each way that leads there", async () => {
    expect(before.length).toBeGreaterThan(0);
    expect(before.map((name) => name.replace("before-", "after-"))).toEqual(after);
    for (const kept of await Promise.all(before.map(read))) expect(patchesOf(kept)).not.toContain(patch);
    for (const kept of await Promise.all(after.map(read))) expect(patchesOf(kept)).toContain(patch);
  });

  test.each([
    { lost: before, kept: after, answer: true },
    { lost: after, kept: before, answer: false },
  ])("is listened to: with $answer always, every run of the other kind is lost", async ({ lost, kept, answer }) => {
    const bundle = answerAlways(patch, answer);
    const errorsOf = async (chosen: readonly string[]) =>
      (await replay(await Promise.all(chosen.map(read)), bundle)).map(({ error }) => error);
    expect(await errorsOf(lost)).toEqual(lost.map(() => "DeterminismViolationError"));
    expect(await errorsOf(kept)).toEqual(kept.map(() => null));
  });
});
