// One watcher's stream of a job: server-sent events. Each event is the whole state, so a watcher that comes back needs
// only the newest, and only when it differs from what Last-Event-ID says it saw.
import { once } from "node:events";
import type { Response } from "express";
import type { JobMoment, JobWatch } from "./job-watch.ts";

export interface JobStream {
  readonly watch: JobWatch;
  readonly organizationId: string;
  readonly jobId: string;
  readonly lastEventId: string | null;
  readonly signal: AbortSignal;
  /** The job as it ended. */
  readonly readEnd: () => Promise<unknown>;
}

/** So that proxies keep a quiet stream open. */
const heartbeatMs = 15_000;

export async function streamJob(response: Response, stream: JobStream): Promise<void> {
  const { watch, organizationId, jobId, lastEventId, signal, readEnd } = stream;
  response.flushHeaders();
  const write = (event: string, id: string, data: unknown): void =>
    void response.write(`event: ${event}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`);
  const heartbeat = setInterval(() => void response.write(": still there\n\n"), heartbeatMs);
  let unsubscribe = (): void => {};
  const last = await new Promise<JobMoment | null>((resolve) => {
    signal.addEventListener("abort", () => resolve(null), { once: true });
    if (signal.aborted) resolve(null);
    unsubscribe = watch.watch(organizationId, jobId, (moment) => {
      if (moment.state !== "running") resolve(moment);
      else if (moment.id !== lastEventId) write("progress", moment.id, moment.progress);
    });
  });
  unsubscribe();
  clearInterval(heartbeat);
  if (last === null) return;
  write("end", last.id, await readEnd());
  response.end();
  if (!response.writableFinished) await once(response, "close");
}
