// The worker of empty-workflow.ts, as a process of its own, like the product's. Ends by SIGINT.
import { fileURLToPath } from "node:url";
import { NativeConnection, Runtime, Worker } from "@temporalio/worker";
import { emptyQueue } from "./empty-worker-process.ts";

Runtime.install({ shutdownSignals: ["SIGINT"] });
const connection = await NativeConnection.connect({ address: process.env["TEMPORAL_ADDRESS"] ?? "" });
const worker = await Worker.create({
  connection,
  taskQueue: emptyQueue,
  workflowsPath: fileURLToPath(new URL("./empty-workflow.ts", import.meta.url)),
  activities: { nothing: async () => {} },
  maxCachedWorkflows: 200,
});
console.log("worker ready");
await worker.run();
await connection.close();
