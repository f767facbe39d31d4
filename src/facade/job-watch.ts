// Live progress of jobs, asked of Temporal once for all who watch: however many watchers, a job is asked about once a
// second, and not at all when nobody watches.
import type { Client } from "@temporalio/client";
import { createHash } from "node:crypto";
import { askProgress, describeRun, type RunState } from "../client/job-runs.ts";
import type { BackupProgress } from "../domain/progress.ts";

export interface JobMoment {
  /** Tells whether a watcher has seen it: a digest of what it says. */
  readonly id: string;
  readonly state: RunState;
  readonly progress: BackupProgress | null;
}

type Listener = (moment: JobMoment) => void;

interface Watched {
  readonly listeners: Set<Listener>;
  latest: JobMoment | null;
}

const pollMs = 1_000;

export class JobWatch {
  private readonly client: Client;
  private readonly jobs = new Map<string, Watched>();
  private readonly polls = new Set<Promise<void>>();
  /** How often Temporal was asked; for the test that many watchers cost no more than one. */
  asked = 0;

  constructor(client: Client) {
    this.client = client;
  }

  /** Calls back with the state of now, then with each that differs. The last one is not "running". */
  watch(organizationId: string, jobId: string, listener: Listener): () => void {
    const key = JSON.stringify([organizationId, jobId]);
    let watched = this.jobs.get(key);
    if (watched === undefined) {
      watched = { listeners: new Set(), latest: null };
      this.jobs.set(key, watched);
      const poll = this.poll(key, watched, organizationId, jobId).finally(() => this.polls.delete(poll));
      this.polls.add(poll);
    } else if (watched.latest !== null) {
      listener(watched.latest);
    }
    watched.listeners.add(listener);
    const { listeners } = watched;
    return () => void listeners.delete(listener);
  }

  /** When it resolves, Temporal is not asked any more: its connection can be closed. */
  async stop(): Promise<void> {
    for (const { listeners } of this.jobs.values()) listeners.clear();
    await Promise.all(this.polls);
  }

  private async poll(key: string, watched: Watched, organizationId: string, jobId: string): Promise<void> {
    // The first watcher is added after this begins; from the second turn on, no watcher means no question.
    do {
      const moment = await this.look(organizationId, jobId);
      if (moment !== null && moment.id !== watched.latest?.id) {
        watched.latest = moment;
        for (const listener of watched.listeners) listener(moment);
      }
      if (moment !== null && moment.state !== "running") break;
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    } while (watched.listeners.size > 0);
    this.jobs.delete(key);
  }

  /** Null when Temporal could not be asked: the next turn asks again. */
  private async look(organizationId: string, jobId: string): Promise<JobMoment | null> {
    this.asked += 1;
    try {
      const run = await describeRun(this.client, organizationId, jobId);
      const state = run?.state ?? "completed"; // forgotten by Temporal: the job's row says how it ended
      const progress = state === "running" ? await askProgress(this.client, organizationId, jobId) : null;
      const id = createHash("sha256")
        .update(JSON.stringify([state, progress]))
        .digest("hex")
        .slice(0, 24);
      return { id, state, progress };
    } catch {
      return null;
    }
  }
}
