// What is asked of Temporal carries the span that asked for it, so that a workflow's run belongs to the request's trace.
import type { WorkflowClientInterceptor } from "@temporalio/client";
import { defaultPayloadConverter, type Headers } from "@temporalio/common";
import { traceHeader } from "../domain/trace-context.ts";

/** `current`: the traceparent of the caller's span. */
export function traceCalls(current: () => string | null): WorkflowClientInterceptor {
  const withTrace = (headers: Headers): Headers => {
    const traceparent = current();
    return traceparent === null
      ? headers
      : { ...headers, [traceHeader]: defaultPayloadConverter.toPayload(traceparent) };
  };
  return {
    startWithDetails: async (input, next) => await next({ ...input, headers: withTrace(input.headers) }),
    signalWithStart: async (input, next) => await next({ ...input, headers: withTrace(input.headers) }),
  };
}
