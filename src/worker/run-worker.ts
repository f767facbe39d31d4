// A worker: runs workflows and activities until it is told to stop. Five Temporal workers in one process:
//
//   control        workflows, and activities that any worker can do
//   restores       staging, comparing, applying and undoing restores; restore tests
//   snapshots      holds snapshots; its slots are the bound on open snapshots on the source database by this process
//   notifications  webhooks and e-mail: waits for other people's servers
//   bench          this process's own queue: collect, compress, encrypt, upload, seal
//
// A stop lets running activities learn of it, waits `graceMs`, and leaves the rest to Temporal: another worker takes over.
import { hostname } from "node:os";
import { randomBytes } from "node:crypto";
import { Client } from "@temporalio/client";
import {
  makeTelemetryFilterString,
  NativeConnection,
  Runtime,
  Worker,
  type ActivityInterceptorsFactory,
  type WorkflowBundle,
} from "@temporalio/worker";
import { Bench } from "../../activities/bench.ts";
import type { ActivityDependencies } from "../../activities/dependencies.ts";
import {
  createBenchActivities,
  createControlActivities,
  createHoldingActivities,
  createNotifyActivities,
  createRestoreActivities,
} from "../../activities/index.ts";
import { readScheduleSkips } from "../client/policy-schedules.ts";
import { isRunOver } from "../client/run-state.ts";
import { connectionOptions, type TemporalAddress } from "../client/connect.ts";
import { BackupError } from "../domain/errors.ts";
import { taskQueues } from "../domain/backup-request.ts";
import type { Tracing } from "../ports/tracing.ts";
import { startRelay } from "./relay-notifications.ts";
import { traceActivities, traceRuns } from "./trace-activities.ts";

export interface WorkerOptions {
  readonly temporal: TemporalAddress;
  readonly workflowBundle: WorkflowBundle;
  readonly dependencies: Omit<ActivityDependencies, "bench" | "isRunOver" | "readScheduleSkips">;
  /** Snapshots open at a time; each is a transaction on the source database. */
  readonly maxSnapshots?: number;
  /** Raw and sealed bytes of batches in memory, all organizations together. */
  readonly benchBytes?: number;
  /** What one batch may hold of it. */
  readonly batchBytes?: number;
  readonly graceMs?: number;
  /** Run around every activity: measurements, and the tests' points of failure. */
  readonly activityInterceptors?: readonly ActivityInterceptorsFactory[];
  /** host:port where Temporal's own figures are told to Prometheus; the first worker of a process decides. */
  readonly metricsAddress?: string;
  /** Spans of activities and workflows; default: none. */
  readonly tracing?: Tracing | null;
  /** Workflow runs kept in memory between tasks, at half a megabyte each; 0 replays each from its history. */
  readonly maxCachedWorkflows?: number;
}

export interface RunningWorker {
  readonly benchQueue: string;
  /** Settles when the worker has stopped; rejects when it failed. */
  readonly done: Promise<void>;
  stop(): Promise<void>;
}

/** Two batches ahead with three stages each, four on their way to the store with at most three. */
const maxBenchTasksOfARun = 18;
const defaultBenchBytes = 96 * 1024 * 1024;
/** Those that hold a snapshot and their policies' runs, with room; the many that wait for their turn need none. */
const defaultCachedWorkflows = 48;

export async function startWorker(options: WorkerOptions): Promise<RunningWorker> {
  const {
    temporal,
    workflowBundle,
    maxSnapshots = 8,
    benchBytes = defaultBenchBytes,
    graceMs = 5_000,
    tracing = null,
  } = options;
  installQuietRuntime(options.metricsAddress);
  const workerId = `${hostname()}-${process.pid}-${randomBytes(3).toString("hex")}`;
  const bench = new Bench({
    queue: taskQueues.bench(workerId),
    memoryBytes: benchBytes,
    ...(options.batchBytes === undefined ? {} : { batchBytes: options.batchBytes }),
  });
  const connection = await NativeConnection.connect(connectionOptions(temporal)).catch((error: unknown) => {
    throw new BackupError(
      "TemporalUnreachable",
      `No Temporal server answers at ${temporal.address}.`,
      { address: temporal.address },
      { cause: error },
    );
  });
  const client = new Client({ connection, namespace: temporal.namespace });
  const dependencies: ActivityDependencies = {
    ...options.dependencies,
    bench,
    isRunOver: (workflowId) => isRunOver(client, workflowId),
    readScheduleSkips: (scheduleId) => readScheduleSkips(client, scheduleId),
  };
  const common = {
    connection,
    namespace: temporal.namespace,
    identity: workerId,
    shutdownGraceTime: graceMs,
    shutdownForceTime: graceMs + 5_000,
    // Cancellation reaches an activity with its next heartbeat: the default would let a cancelled run hold its snapshot
    // for 12 seconds.
    maxHeartbeatThrottleInterval: "1s" as const,
    interceptors: {
      activity: [...(tracing === null ? [] : [traceActivities(tracing)]), ...(options.activityInterceptors ?? [])],
    },
    ...(tracing === null ? {} : { sinks: traceRuns(tracing) }),
  };
  const workers = await Promise.all([
    Worker.create({
      ...common,
      taskQueue: taskQueues.control,
      workflowBundle,
      activities: createControlActivities(dependencies),
      maxCachedWorkflows: options.maxCachedWorkflows ?? defaultCachedWorkflows,
      maxConcurrentActivityTaskExecutions: 8,
    }),
    Worker.create({
      ...common,
      taskQueue: taskQueues.restores,
      activities: createRestoreActivities(dependencies),
      maxConcurrentActivityTaskExecutions: 8,
    }),
    Worker.create({
      ...common,
      taskQueue: taskQueues.snapshots,
      activities: createHoldingActivities(dependencies),
      maxConcurrentActivityTaskExecutions: maxSnapshots,
    }),
    Worker.create({
      ...common,
      taskQueue: taskQueues.notifications,
      activities: createNotifyActivities(dependencies),
      maxConcurrentActivityTaskExecutions: 8,
    }),
    Worker.create({
      ...common,
      taskQueue: bench.queue,
      activities: createBenchActivities(dependencies),
      // More than can be under way: a stage that waits for another must not keep it from its slot.
      maxConcurrentActivityTaskExecutions: maxSnapshots * maxBenchTasksOfARun + 8,
    }),
  ]);
  const runs = workers.map((worker) => worker.run());
  const relay = startRelay(client, dependencies.notifications.ledger, dependencies.log);
  const stopAll = (): void => {
    for (const worker of workers) if (worker.getState() === "RUNNING") worker.shutdown();
  };
  // One that fails takes the others with it: half a worker would take tasks that it can't finish.
  for (const run of runs) run.catch(stopAll);
  const done = Promise.allSettled(runs).then(async (results) => {
    await relay.stop();
    await connection.close();
    const failed = results.find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  });
  done.catch(() => {}); // the caller decides when to look
  return {
    benchQueue: bench.queue,
    done,
    async stop() {
      stopAll();
      await done;
    },
  };
}

let installed = false;

/** Temporal's own log lines are for its developers; ours say what an operator needs. */
function installQuietRuntime(metricsAddress: string | undefined): void {
  if (installed) return;
  installed = true;
  Runtime.install({
    // The SDK's native part would write to stdout, which belongs to `--json`.
    telemetryOptions: {
      logging: { forward: {}, filter: makeTelemetryFilterString({ core: "ERROR", other: "ERROR" }) },
      ...(metricsAddress === undefined
        ? {}
        : {
            metrics: {
              prometheus: {
                bindAddress: metricsAddress,
                countersTotalSuffix: true,
                unitSuffix: true,
                useSecondsForDurations: true,
              },
            },
          }),
    },
    logger: {
      trace: () => {},
      debug: () => {},
      info: () => {},
      warn: () => {},
      error: (message: string) => process.stderr.write(`temporal: ${message}\n`),
      log: () => {},
    },
    shutdownSignals: [],
  });
}
