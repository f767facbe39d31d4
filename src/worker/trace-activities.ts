// A span for each activity and each run of a workflow that belongs to a trace. What nobody traces costs nothing.
import { ApplicationFailure, CancelledFailure, defaultPayloadConverter } from "@temporalio/common";
import type { ActivityInterceptorsFactory, InjectedSinks } from "@temporalio/worker";
import { traceHeader } from "../domain/trace-context.ts";
import type { Tracing } from "../ports/tracing.ts";
import type { TraceSinks } from "../../workflows/trace-run.ts";

export const traceActivities =
  (tracing: Tracing): ActivityInterceptorsFactory =>
  ({ info }) => ({
    inbound: {
      async execute(input, next) {
        const payload = input.headers[traceHeader];
        if (payload === undefined) return await next(input);
        const { workflowExecution, activityType, attempt } = info;
        const span = tracing.open({
          name: `RunActivity:${activityType}`,
          kind: "internal",
          parent: defaultPayloadConverter.fromPayload<string>(payload),
          attributes: {
            ...(workflowExecution !== undefined && runAttributes(workflowExecution)),
            attempt,
          },
        });
        try {
          const result = await tracing.within(span, () => next(input));
          span.end({ failure: null });
          return result;
        } catch (error) {
          span.end({ failure: failureOf(error) });
          throw error;
        }
      },
    },
  });

export const traceRuns = (tracing: Tracing): InjectedSinks<TraceSinks> => ({
  tracing: {
    runEnded: {
      callDuringReplay: false,
      fn({ workflowId, runId }, { workflowType, ...run }) {
        const name = `RunWorkflow:${workflowType}`;
        tracing.record({ ...run, name, kind: "internal", attributes: runAttributes({ workflowId, runId }) });
      },
    },
  },
});

/** By the names of Temporal's own interceptors, so that its dashboards work. */
const runAttributes = ({ workflowId, runId }: { workflowId: string; runId: string }) => ({
  temporalWorkflowId: workflowId,
  temporalRunId: runId,
});

function failureOf(error: unknown): string {
  if (error instanceof CancelledFailure) return "Cancelled";
  return error instanceof ApplicationFailure ? (error.type ?? "Internal") : "Internal";
}
