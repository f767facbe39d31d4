// One trace from a request to the last activity of what it started; and nothing in it that must not leave the house.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { ApplicationFailure, defaultPayloadConverter } from "@temporalio/common";
import { openTracing } from "../../src/adapters/tracing/otlp.ts";
import { connectClient, type ConnectedClient } from "../../src/client/connect.ts";
import { traceHeader } from "../../src/domain/trace-context.ts";
import type { Tracing } from "../../src/ports/tracing.ts";
import { traceActivities } from "../../src/worker/trace-activities.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { createFacadeRig, type FacadeRig } from "../support/facade-rig.ts";
import { startTraceReceiver, type ReceivedSpan } from "../support/trace-receiver.ts";
import { waitUntil } from "../support/wait-until.ts";

const planted = ["Perpetua", "Quillfeather", "House Of Planted Weddings"];

let receiver: Awaited<ReturnType<typeof startTraceReceiver>>;
let tracing: Tracing;
let rig: BackupRig;
let traced: ConnectedClient;
let facade: FacadeRig;
let organizationId: string;

beforeAll(async () => {
  receiver = await startTraceReceiver();
  tracing = openTracing({ endpoint: `${receiver.endpoint}/`, version: "test" });
  rig = await createBackupRig();
  organizationId = rig.organizationIds[0] as string;
  const [first, last, house] = planted;
  await rig.database.query("UPDATE guests SET first_name = $1, last_name = $2 WHERE organization_id = $3", [
    first,
    last,
    organizationId,
  ]);
  await rig.database.query("UPDATE organizations SET name = $1 WHERE id = $2", [house, organizationId]);
  await rig.startWorker({ tracing });
  traced = await connectClient(rig.temporal, () => tracing.current());
  facade = await createFacadeRig(rig, { dependencies: { tracing, client: traced.client } });
});

afterAll(async () => {
  await facade?.close();
  await traced?.close();
  await rig?.close();
  await tracing?.close();
  await receiver?.stop();
});

async function startBackup(organization: string): Promise<Response> {
  return await fetch(`${facade.url}/api/admin/backup`, {
    method: "POST",
    headers: {
      ...(await facade.as("operator", organization)),
      "content-type": "application/json",
      "idempotency-key": crypto.randomUUID(),
    },
    body: "{}",
  });
}

const attribute = (span: ReceivedSpan | undefined, key: string): unknown =>
  Object.values(span?.attributes?.find((each) => each.key === key)?.value ?? {})[0];
const named = (name: string): ReceivedSpan | undefined => receiver.spans.find((span) => span.name === name);

test("a request, the run that it starts and its activities are one trace", async () => {
  const response = await startBackup(organizationId);
  expect(response.status).toBe(202);
  const activities = ["authorizeBackup", "holdSnapshot", "collectBatch", "uploadBatch", "sealBackup", "reportBackup"];
  const expected = [
    "POST /api/admin/backup",
    "RunWorkflow:backupOrganization",
    ...activities.map((name) => `RunActivity:${name}`),
  ];
  await waitUntil("the whole trace is sent", () => expected.every((name) => named(name) !== undefined));
  const [request, run] = [named("POST /api/admin/backup"), named("RunWorkflow:backupOrganization")];
  expect(request?.parentSpanId ?? "").toBe("");
  expect(Number(attribute(request, "http.response.status_code"))).toBe(202);
  expect(attribute(request, "wedsync.request_id")).toBe(response.headers.get("x-request-id"));
  expect([run?.traceId, run?.parentSpanId]).toEqual([request?.traceId, request?.spanId]);
  expect(attribute(run, "temporalWorkflowId")).toContain(organizationId);
  for (const name of activities) {
    const span = named(`RunActivity:${name}`);
    expect([name, span?.traceId, span?.parentSpanId]).toEqual([name, request?.traceId, run?.spanId]);
  }
});

test("no name, no secret and no text of an error is in what was sent", () => {
  const sent = receiver.bodies.join("\n");
  expect(sent).toContain(organizationId);
  for (const secret of [...planted, rig.key, facade.secret, rig.database.url])
    expect(sent.includes(secret)).toBe(false);
});

test("what nobody asked for within a trace is in none", async () => {
  const other = rig.organizationIds[1] as string;
  await rig.backUp(other);
  await tracing.close(); // all that there is, is sent
  expect(receiver.bodies.join("\n")).not.toContain(other);
});

test("a failure is told by its code", async () => {
  const again = openTracing({ endpoint: receiver.endpoint, version: "test" });
  const message = "a message that quotes a guest";
  const span = again.open({ name: "GET /failing", kind: "server", parent: null, attributes: {} });
  const inner = traceActivities(again)({ info: { activityType: "failing", attempt: 1 } } as never).inbound;
  const input = {
    args: [],
    headers: { [traceHeader]: defaultPayloadConverter.toPayload(span.traceparent) },
  };
  const failing = inner?.execute?.(input, async () => {
    throw ApplicationFailure.create({ type: "StorageUnreachable", message });
  });
  await expect(failing).rejects.toThrow(message);
  span.end({ failure: "503" });
  await again.close();
  const failed = named("RunActivity:failing");
  expect(failed?.parentSpanId).toBe(named("GET /failing")?.spanId);
  expect(attribute(failed, "error.type")).toBe("StorageUnreachable");
  expect(failed?.status).toEqual({ code: 2 });
  expect(receiver.bodies.join("\n")).not.toContain(message);
});
