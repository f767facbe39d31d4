// A Temporal namespace of its own for a test file, so that its workers take nobody else's tasks.
import { randomBytes } from "node:crypto";
import type { Client } from "@temporalio/client";
import { connectClient, type TemporalAddress } from "../../src/client/connect.ts";
import { ensureSearchAttributes } from "../../src/client/search-attributes.ts";

export interface TestNamespace {
  readonly temporal: TemporalAddress;
  readonly client: Client;
  close(): Promise<void>;
}

export async function createTestNamespace(): Promise<TestNamespace> {
  const address = process.env["TEST_TEMPORAL_ADDRESS"];
  if (address === undefined) throw new Error("TEST_TEMPORAL_ADDRESS is not set; run through jest's project `real`");
  const namespace = `test-${randomBytes(6).toString("hex")}`;
  const temporal = { address, namespace, apiKey: null, tls: null };
  const connected = await connectClient(temporal);
  const { client } = connected;
  const day = { seconds: 24 * 60 * 60, nanos: 0 };
  await client.workflowService.registerNamespace({ namespace, workflowExecutionRetentionPeriod: day as never });
  // The server's caches learn of it after a while.
  const patience = Date.now() + 60_000;
  for (;;) {
    try {
      await ensureSearchAttributes(client, namespace);
      await client.workflow.count("OrganizationId = 'nobody' AND AwaitingDecision = 'nobody'");
      return { temporal, client, close: () => connected.close() };
    } catch (error) {
      if (Date.now() > patience) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

/** Polls until `look` gives a value. Waiting has a generous end, so that a test that hangs says where. */
export async function eventually<T>(what: string, look: () => Promise<T | null | undefined | false>): Promise<T> {
  const patience = Date.now() + 60_000;
  for (;;) {
    const seen = await look();
    if (seen !== null && seen !== undefined && seen !== false) return seen;
    if (Date.now() > patience) throw new Error(`waited in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
