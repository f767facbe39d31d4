// One restore of one organization into a live, shared database (or another one).
//
//   authorize → choose → stage → compare → decide (people) → protect (pre-restore backup) → apply → files → validate → report
//
// Until `apply` only the restore's own staging schema is written; `apply` is one transaction. Whatever fails after it, or
// a cancellation, undoes it again: the old state or the new one, never something between. While people think, the lease
// is given back, so that the nightly backup goes on; nothing that they saw is trusted, `apply` compares again.
import {
  ApplicationFailure,
  CancellationScope,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
} from "@temporalio/workflow";
import type { AppliedTable, DriftEntry, TableDifference } from "../src/domain/restore-request.ts";
import type {
  ChosenBackup,
  RestoredFiles,
  RestoreOrder,
  RestoreOutcome,
  RestoreProgress,
  RestoreStage,
  RuleFinding,
} from "../src/domain/restore-run.ts";
import type { AppliedRows, RestoreStep } from "../activities/restore-contract.ts";
import { nameFailure } from "./failures.ts";
import { OrganizationLease } from "./organization-lease.ts";
import { protectBeforeRestore } from "./protect-before-restore.ts";
import { restoreControl, restores } from "./restore-activity-options.ts";
import { countDifferent, countUndecided, organizationExists } from "./restore-counts.ts";
import { RestoreAnswers } from "./restore-answers.ts";
import { renderRestore } from "./restore-details.ts";
import { RestoreGate } from "./restore-gate.ts";
import { restoreProgressQuery } from "./restore-messages.ts";
import { abandonRestore } from "./abandon-restore.ts";

/** Rows that keep changing between the question and the answer: after so many rounds the users have to pause. */
const maxRounds = 20;

export async function restoreOrganization(order: RestoreOrder): Promise<RestoreOutcome> {
  const run = new RestoreRun(order);
  try {
    return await run.restore();
  } catch (error) {
    const failure = nameFailure(error, "The restore was cancelled; nothing of it remains.");
    await CancellationScope.nonCancellable(async () => {
      setCurrentDetails(await abandonRestore(run, failure));
      upsertSearchAttributes({ AwaitingDecision: [] });
    });
    throw error;
  }
}

export class RestoreRun {
  readonly order: RestoreOrder;
  backup: ChosenBackup | null = null;
  stagingBegun = false;
  applyBegun = false;
  filesBegun = false;
  private readonly lease: OrganizationLease;
  private readonly gate: RestoreGate;
  private readonly answers: RestoreAnswers;
  private readonly startedMs = Date.now();
  private stage: RestoreStage = "authorize";
  private drift: readonly DriftEntry[] = [];
  private notes: readonly string[] = [];
  private differences: readonly TableDifference[] | null = null;

  constructor(order: RestoreOrder) {
    this.order = order;
    this.lease = new OrganizationLease(order);
    this.gate = new RestoreGate(order, () => this.show());
    this.answers = new RestoreAnswers(order, this.gate, this.lease, () => this.show());
    setHandler(restoreProgressQuery, () => this.progress());
    upsertSearchAttributes({ BackupId: [], AwaitingDecision: [] });
    this.show();
  }

  get fencingToken(): number | null {
    return this.lease.fencingToken;
  }

  async restore(): Promise<RestoreOutcome> {
    const { order, gate, lease, answers } = this;
    const { organizationId, choice, mergeBase } = order;
    await lease.take({ patient: false });
    this.enter("choose");
    const backup = await restores.chooseBackup({ organizationId, choice, mergeBase });
    this.backup = backup;
    upsertSearchAttributes({ BackupId: [backup.backupId] });
    const step: RestoreStep = { order, backup };
    this.enter("stage");
    this.stagingBegun = true;
    const staged = await restores.stageRestore(step);
    this.drift = staged.drift;
    this.notes = staged.notes ?? [];
    this.enter("compare");
    const differences = await restores.compareRestore(step);
    this.differences = differences;
    gate.undecided = order.strategy === "prompt" ? countUndecided(differences) : 0;
    gate.lastNumber = countDifferent(differences);

    if (order.dryRun) {
      await answers.wait({ backup, drift: staged.drift, differences }, order.previewMs);
      return await this.report(step, [], null, null, [], { lockedMs: 0, proofs: [] });
    }
    const { applied, preRestoreSequence, notes } = await this.applyDecided(step, differences);
    this.enter("files");
    this.filesBegun = true;
    const files = await restores.putBackFiles({ ...step, preRestoreSequence });
    this.enter("validate");
    const rules = await restores.checkRestored(step);
    return await this.report(step, applied.tables, files, preRestoreSequence, rules, applied, notes);
  }

  private async applyDecided(step: RestoreStep, differences: readonly TableDifference[]) {
    const { order, gate, answers, drift } = this;
    const { backup } = step;
    const deadlineMs = Date.now() + order.waitMs;
    let protectedBy: { sequence: number | null; notes: readonly string[] } | null = null;
    for (let round = 1; round <= maxRounds; round++) {
      if (!gate.isReady && !answers.expired) {
        this.enter("decide");
        const came = await answers.wait({ backup, drift, differences }, deadlineMs - Date.now());
        if (!came) answers.decideByDefault();
        await this.lease.take({ patient: true });
      }
      if (protectedBy === null) {
        this.enter("protect");
        protectedBy = await protectBeforeRestore(order, organizationExists(backup, differences));
      }
      this.enter("apply");
      const applied = await this.apply(step);
      if (applied.applied) return { applied, preRestoreSequence: protectedBy.sequence, notes: protectedBy.notes };
      await answers.askAgain(applied.askAgain);
    }
    throw ApplicationFailure.nonRetryable(
      `Rows kept changing between the question and the answer, ${maxRounds} times. Ask the users to pause, and restore again.`,
      "RestoreTargetBusy",
    );
  }

  private async apply(step: RestoreStep): Promise<AppliedRows> {
    this.applyBegun = true;
    const applied = await restores.applyRestore({
      ...step,
      fencingToken: this.fencingToken as number,
      defaultDecision: this.answers.expired ? this.order.defaultDecision : null,
    });
    if (!applied.applied) this.applyBegun = false;
    return applied;
  }

  private async report(
    { order, backup }: RestoreStep,
    applied: readonly AppliedTable[],
    files: RestoredFiles | null,
    preRestoreSequence: number | null,
    rules: readonly RuleFinding[],
    { lockedMs, proofs }: { lockedMs: number; proofs: readonly string[] },
    notes: readonly string[] = [],
  ): Promise<RestoreOutcome> {
    const { answers, lease } = this;
    const { restoreId, organizationId, targetOrganizationId } = order;
    this.enter("report");
    const durationMs = Date.now() - this.startedMs;
    const outcome: RestoreOutcome = {
      restoreId,
      organizationId,
      targetOrganizationId,
      status: order.dryRun ? "previewed" : "applied",
      backup,
      drift: this.drift,
      differences: this.differences ?? [],
      applied,
      files,
      preRestoreSequence,
      decidedByDefault: answers.decidedByDefault,
      lockedMs,
      proofs,
      rules,
      notes: [...this.notes, ...notes, ...describeDefaults(answers.decidedByDefault, order)],
      durationMs,
    };
    await restores.dropStaging({ restoreId, organizationId });
    this.stagingBegun = false;
    const restoreSeconds = order.dryRun ? null : Math.max(0, durationMs - answers.waitedMs - lease.waitedMs) / 1000;
    await restoreControl.reportRestore({ outcome, fencingToken: lease.fencingToken, restoreSeconds });
    this.show(outcome);
    return outcome;
  }

  private enter(stage: RestoreStage): void {
    this.stage = stage;
    this.show();
  }

  private show(outcome?: RestoreOutcome): void {
    setCurrentDetails(renderRestore(this.order, this.progress(), outcome));
  }

  private progress(): RestoreProgress {
    const { stage, backup, drift, differences, gate } = this;
    const { askedAgain, waiting } = this.answers;
    return {
      stage,
      backup,
      drift,
      differences,
      askedAgain,
      isApproved: gate.approved,
      waiting: waiting === null ? null : { ...waiting, undecided: gate.undecided },
    };
  }
}

const describeDefaults = (decided: number, { defaultDecision }: RestoreOrder): string[] =>
  decided === 0 ? [] : [`nobody decided ${decided} conflicts in time: “${defaultDecision}” held for them`];
