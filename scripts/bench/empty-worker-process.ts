// Starts the worker whose activities do nothing, and counts how many of its workflows end in a second.
import { fileURLToPath } from "node:url";
import type { Client } from "@temporalio/client";
import { startChildServer, waitUntilReady, type ChildServer } from "../../src/local/child-server.ts";

export const emptyQueue = "bench-empty";
let number = 0;

export class EmptyWorker {
  private readonly server: ChildServer;

  private constructor(server: ChildServer) {
    this.server = server;
  }

  static async start(temporalAddress: string): Promise<EmptyWorker> {
    const path = fileURLToPath(new URL("./empty-worker.ts", import.meta.url));
    const server = await startChildServer("the empty worker", process.execPath, [path], {
      env: { HOME: process.env["HOME"] ?? "", PATH: process.env["PATH"] ?? "", TEMPORAL_ADDRESS: temporalAddress },
    });
    await waitUntilReady("the empty worker", server, 60_000, async () => server.output().includes("worker ready"));
    return new EmptyWorker(server);
  }

  async run(client: Client, count: number, concurrency: number): Promise<number> {
    let left = count;
    const startedMs = performance.now();
    const work = async (): Promise<void> => {
      while (left-- > 0)
        await client.workflow.execute("emptyBackup", {
          taskQueue: emptyQueue,
          workflowId: `bench-empty/${(number += 1)}`,
        });
    };
    await Promise.all(Array.from({ length: concurrency }, work));
    return count / ((performance.now() - startedMs) / 1000);
  }

  async stop(): Promise<void> {
    await this.server.stop();
  }
}
