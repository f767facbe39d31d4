// A span for each request, by its route: the path as it was asked for can hold a link's ticket. A trace begins here; one
// that a stranger names is not gone on with.
import type { NextFunction, Request, Response } from "express";
import type { Tracing } from "../ports/tracing.ts";

export const traceRequest =
  ({ tracing, route }: { tracing: Tracing; route: string }) =>
  (request: Request, response: Response, next: NextFunction): void => {
    const { method } = request;
    const span = tracing.open({
      name: `${method} ${route}`,
      kind: "server",
      parent: null,
      attributes: {
        "http.request.method": method,
        "http.route": route,
        "wedsync.request_id": String(response.locals["requestId"]),
      },
    });
    response.once("close", () => {
      const { statusCode } = response;
      span.end({
        failure: statusCode >= 500 ? String(statusCode) : null,
        attributes: { "http.response.status_code": statusCode },
      });
    });
    tracing.within(span, next);
  };
