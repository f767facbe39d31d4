// What a worker's activities write into, and ask of, the control tables: each by its port.
import type { ControlDatabase } from "./control-database.ts";
import { createErasureLedger } from "./erasure-ledger.ts";
import { createJobLedger } from "./job-ledger.ts";
import { createPolicyLedger } from "./policy-ledger.ts";
import { createRestoreLedger } from "./restore-ledger.ts";
import { createRetentionLedger } from "./retention-ledger.ts";
import { createVerificationLedger } from "./verification-ledger.ts";

export const createLedgers = (control: ControlDatabase) => ({
  jobs: createJobLedger(control),
  policies: createPolicyLedger(control),
  verifications: createVerificationLedger(control),
  restores: createRestoreLedger(control),
  erasures: createErasureLedger(control),
  retention: createRetentionLedger(control),
});
