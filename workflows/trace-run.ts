// Carries a trace through a workflow: from the run's headers into those of its activities and children. Without the header
// nothing happens at all.
//
// What must hold: a run may be replayed with or without this, in any order, so that tracing can be turned on and off under
// runs that wait for days. Hence no await that was not there, and no random number drawn: the official interceptors
// (@temporalio/interceptors-opentelemetry) do both, and put OpenTelemetry and a `window` into the bundle.
import { defaultPayloadConverter, type Headers } from "@temporalio/common";
import {
  ContinueAsNew,
  isCancellation,
  proxySinks,
  type Sinks,
  type WorkflowInterceptors,
  workflowInfo,
} from "@temporalio/workflow";
import {
  readTraceparent,
  traceHeader,
  workflowSpanId,
  writeTraceparent,
  type EndedRun,
} from "../src/domain/trace-context.ts";
import { describeFailure } from "./failures.ts";

export interface TraceSinks extends Sinks {
  tracing: { runEnded(run: EndedRun): void };
}

export const interceptors = (): WorkflowInterceptors => {
  // One for each run.
  let own: string | null = null;
  const withTrace = <T extends { headers: Headers }>(input: T): T =>
    own === null
      ? input
      : { ...input, headers: { ...input.headers, [traceHeader]: defaultPayloadConverter.toPayload(own) } };
  return {
    inbound: [
      {
        execute(input, next) {
          const payload = input.headers[traceHeader];
          const parent = payload === undefined ? null : defaultPayloadConverter.fromPayload<string>(payload);
          const context = readTraceparent(parent);
          if (parent === null || context === null) return next(input);
          const { runId, workflowType } = workflowInfo();
          const spanId = workflowSpanId(runId);
          own = writeTraceparent({ ...context, spanId });
          const startedAtMs = Date.now();
          const tell = (failure: string | null): void =>
            proxySinks<TraceSinks>().tracing.runEnded({
              parent,
              spanId,
              workflowType,
              startedAtMs,
              endedAtMs: Date.now(),
              failure,
            });
          const result = next(input);
          // Beside the result, not before it: whoever waits for that waits no longer.
          result.then(
            () => tell(null),
            (error: unknown) => tell(failureOf(error)),
          );
          return result;
        },
      },
    ],
    outbound: [
      {
        scheduleActivity: (input, next) => next(withTrace(input)),
        scheduleLocalActivity: (input, next) => next(withTrace(input)),
        startChildWorkflowExecution: (input, next) => next(withTrace(input)),
        continueAsNew: (input, next) => next(withTrace(input)),
      },
    ],
  };
};

function failureOf(error: unknown): string | null {
  if (error instanceof ContinueAsNew) return null;
  return isCancellation(error) ? "Cancelled" : describeFailure(error).code;
}
