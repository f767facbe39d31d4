// What a worker's activities write into, and ask of, the control tables: each by its port.
import type { ControlDatabase } from "./control-database.ts";
import { createErasureLedger } from "./erasure-ledger.ts";
import { createJobLedger } from "./job-ledger.ts";
import { createRestoreLedger } from "./restore-ledger.ts";
import { createRetentionLedger } from "./retention-ledger.ts";

export const createLedgers = (control: ControlDatabase) => ({
  ledger: createJobLedger(control),
  restores: createRestoreLedger(control),
  erasures: createErasureLedger(control),
  retention: createRetentionLedger(control),
});
