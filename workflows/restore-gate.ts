// What a restore waits for: approval, decisions, or the end of a look at a dry run. Validators refuse what does not fit
// before it enters history; decisions are stored in the target database one update after the other, so that the count of
// what is undecided never goes back.
import { allHandlersFinished, ApplicationFailure, condition, setHandler } from "@temporalio/workflow";
import { decisions, maxDecisionsPerUpdate, maxDecisionUpdates, type RestoreOrder } from "../src/domain/restore-run.ts";
import type { Decision } from "../src/domain/restore-request.ts";
import type { NumberedDecision } from "../activities/restore-contract.ts";
import { approveUpdate, decideRestUpdate, decideUpdate, finishDryRunUpdate } from "./restore-messages.ts";
import { restores } from "./restore-activity-options.ts";

const invalid = (message: string): ApplicationFailure => ApplicationFailure.nonRetryable(message, "DecisionInvalid");

export class RestoreGate {
  approved: boolean;
  undecided = 0;
  /** Numbers of differences run from 1 to this. */
  lastNumber = 0;
  private isOpen = false;
  private finished = false;
  private updates = 0;
  private lastStored: Promise<unknown> = Promise.resolve();
  private readonly order: RestoreOrder;
  private readonly onChange: () => void;

  constructor(order: RestoreOrder, onChange: () => void) {
    this.order = order;
    this.onChange = onChange;
    this.approved = order.approval === "given";
    setHandler(approveUpdate, () => this.approve(), { validator: ({ by }) => this.checkApproval(by) });
    setHandler(finishDryRunUpdate, () => this.finish(), { validator: () => this.checkDryRun() });
    setHandler(decideUpdate, (given) => this.store(() => restores.storeDecisions({ order, ...given })), {
      validator: (given) => this.checkDecisions(given),
    });
    setHandler(decideRestUpdate, (given) => this.store(() => restores.storeRestDecision({ order, ...given })), {
      validator: ({ table, decision }) => this.checkRest(table, decision),
    });
  }

  get waitsForDecisions(): boolean {
    return this.order.strategy === "prompt" && this.undecided > 0;
  }

  get isReady(): boolean {
    return this.order.dryRun ? this.finished : this.approved && !this.waitsForDecisions;
  }

  /** @returns whether what was waited for came before the deadline. */
  async wait(timeoutMs: number, what: string): Promise<boolean> {
    this.isOpen = true;
    try {
      return await condition(() => this.isReady, Math.max(1, timeoutMs), { summary: `waits for ${what}` });
    } finally {
      this.isOpen = false;
      await condition(allHandlersFinished);
    }
  }

  private approve(): { approved: true } {
    this.approved = true;
    this.onChange();
    return { approved: true };
  }

  private finish(): void {
    this.finished = true;
  }

  private async store(write: () => Promise<{ undecided: number }>): Promise<{ undecided: number }> {
    this.updates += 1;
    const stored = this.lastStored.then(write);
    this.lastStored = stored.catch(() => {}); // the update itself carries the failure
    const { undecided } = await stored;
    this.undecided = undecided;
    this.onChange();
    return { undecided };
  }

  private checkOpen(): void {
    if (!this.isOpen) throw invalid("The restore does not wait for anything right now.");
  }

  private checkApproval(by: unknown): void {
    this.checkOpen();
    if (this.order.dryRun) throw invalid("A dry run is not applied; ask for a restore.");
    if (typeof by !== "string" || by === "" || by.length > 200)
      throw invalid("Say who approves, in 1 to 200 characters.");
  }

  private checkDryRun(): void {
    this.checkOpen();
    if (!this.order.dryRun) throw invalid("This restore is no dry run.");
  }

  private checkPrompt(): void {
    this.checkOpen();
    if (this.order.dryRun || this.order.strategy !== "prompt")
      throw invalid(
        `This restore takes no decisions: it was asked for with ${this.order.dryRun ? "a dry run" : this.order.strategy}.`,
      );
    if (this.updates >= maxDecisionUpdates)
      throw invalid(`A run takes ${maxDecisionUpdates} updates; decide the rest at once (decideRest).`);
  }

  private checkDecisions({ decisions: given }: { decisions: readonly NumberedDecision[] }): void {
    this.checkPrompt();
    if (!Array.isArray(given) || given.length === 0 || given.length > maxDecisionsPerUpdate)
      throw invalid(`Send 1 to ${maxDecisionsPerUpdate} decisions at a time.`);
    const seen = new Set<number>();
    for (const { number, decision } of given as readonly NumberedDecision[]) {
      if (!Number.isInteger(number) || number < 1 || number > this.lastNumber)
        throw invalid(`Row numbers of this restore run from 1 to ${this.lastNumber}.`);
      if (seen.has(number)) throw invalid(`Row ${number} is decided twice.`);
      seen.add(number);
      checkDecision(decision);
    }
  }

  private checkRest(table: unknown, decision: unknown): void {
    this.checkPrompt();
    if (table !== null && typeof table !== "string") throw invalid("The table is a name, or null for all.");
    checkDecision(decision);
  }
}

function checkDecision(decision: unknown): void {
  if (!decisions.includes(decision as Decision)) throw invalid(`A decision is one of: ${decisions.join(", ")}.`);
}
