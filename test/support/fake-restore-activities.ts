// A restore's activities without a database: two tables, five conflicts. For tests of the workflow's own logic (waiting,
// deciding, undoing); everything else is tested on the real parts.
import { ApplicationFailure } from "@temporalio/activity";
import type { RestoreActivities, RestoreControlActivities } from "../../activities/restore-contract.ts";

type AllActivities = RestoreActivities & RestoreControlActivities;
export type ActivityName = keyof AllActivities;

export const conflicts = 5;

export class FakeRestore {
  /** Names of the activities in the order in which they began, with what matters of their input. */
  readonly calls: { name: ActivityName; input: never }[] = [];
  readonly undecided = new Set(Array.from({ length: conflicts }, (_, index) => index + 1));
  /** Applied, and not undone. */
  isApplied = false;
  hasStaging = false;
  lease: number | null = null;
  /** How many rows each coming apply asks again. */
  askAgain: number[] = [];
  /** Fails the activity whenever it is called. */
  readonly failures = new Map<ActivityName, { code: string; message: string }>();
  private readonly gates = new Map<ActivityName, Promise<void>>();
  private tokens = 0;

  called(name: ActivityName): boolean {
    return this.calls.some((call) => call.name === name);
  }

  inputOf<Name extends ActivityName>(name: Name): Parameters<AllActivities[Name]>[0] {
    const call = this.calls.findLast((each) => each.name === name);
    if (call === undefined) throw new Error(`${name} was not called`);
    return call.input;
  }

  /** The activity waits, once it has begun, until the returned function is called. */
  holdAt(name: ActivityName): () => void {
    let release = (): void => {};
    this.gates.set(name, new Promise((resolve) => (release = resolve)));
    return release;
  }

  activities(): AllActivities {
    const fakes: AllActivities = {
      openRestore: async () => {
        if (this.lease !== null) return { fencingToken: this.lease };
        this.lease = ++this.tokens;
        return { fencingToken: this.lease };
      },
      recordRefusedRollback: async () => {},
      parkRestore: async () => void (this.lease = null),
      chooseBackup: async () => ({
        sequence: 3,
        backupId: "b0000000-0000-4000-8000-000000000003",
        takenAt: "2026-06-01T00:00:00.000000Z",
        complete: true,
        rootTable: "public.organizations",
        rows: 100,
        rawBytes: 10_000,
        mergeBaseSequence: null,
      }),
      stageRestore: async () => {
        this.hasStaging = true;
        return { drift: [] };
      },
      compareRestore: async () => [
        { table: "public.guests", missing: 4, changed: conflicts, same: 80, liveOnly: 1, taken: 0 },
        { table: "public.vendors", missing: 0, changed: 0, same: 11, liveOnly: 0, taken: 0 },
      ],
      storeDecisions: async ({ decisions }) => {
        for (const { number } of decisions) this.undecided.delete(number);
        return { undecided: this.undecided.size };
      },
      storeRestDecision: async () => {
        this.undecided.clear();
        return { undecided: 0 };
      },
      applyRestore: async () => {
        const askAgain = this.askAgain.shift() ?? 0;
        if (askAgain > 0) {
          for (let number = 1; number <= askAgain; number++) this.undecided.add(number);
          return { applied: false, askAgain };
        }
        this.isApplied = true;
        const tables = [{ table: "public.guests", inserted: 4, updated: conflicts, deleted: 0, unchanged: 80 }];
        return { applied: true, tables, lockedMs: 12, proofs: ["foreign keys of 2 tables"] };
      },
      putBackFiles: async () => ({ created: 1, replaced: 0, same: 2, kept: 0, notInBackup: 0 }),
      checkRestored: async () => [],
      undoRestore: async () => {
        const wasApplied = this.isApplied;
        this.isApplied = false;
        return { wasApplied, tables: [], refused: [] };
      },
      undoFiles: async () => ({ removed: 0, putBack: 0, kept: 0 }),
      dropStaging: async () => void (this.hasStaging = false),
      reportRestore: async () => void (this.lease = null),
      reportRollback: async () => void (this.lease = null),
      failRestore: async () => void (this.lease = null),
      releaseRestore: async () => void (this.lease = null),
    };
    return Object.fromEntries(
      Object.entries(fakes).map(([name, run]) => [
        name,
        async (input: never) => {
          this.calls.push({ name: name as ActivityName, input });
          await this.gates.get(name as ActivityName);
          const failure = this.failures.get(name as ActivityName);
          if (failure !== undefined) throw ApplicationFailure.nonRetryable(failure.message, failure.code);
          return await (run as (given: never) => Promise<unknown>)(input);
        },
      ]),
    ) as unknown as AllActivities;
  }
}
