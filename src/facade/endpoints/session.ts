// The browser's session, and who one is.
import { z } from "zod";
import { actionTable, mayDo, roles, type Action } from "../../domain/authorization.ts";
import { BackupError } from "../../domain/errors.ts";
import { csrfTokenOf, writeCookie } from "../browser-session.ts";
import { defineEndpoint, type Call } from "../endpoint.ts";

const sessionSchema = z
  .object({
    subject: z.string(),
    role: z.enum(roles),
    organizationId: z.string().nullable(),
    actions: z.array(z.string()).meta({ description: "What the role may do" }),
    expiresAt: z.string(),
    csrfToken: z.string().meta({ description: "Goes into X-CSRF-Token with every change that is asked for by cookie" }),
  })
  .meta({ id: "Session" });

function describe({ principal, credential, dependencies }: Call<undefined, undefined, undefined>) {
  const actions = (Object.keys(actionTable) as Action[]).filter((action) => mayDo(principal.role, action));
  return {
    ...principal,
    actions,
    expiresAt: new Date(credential.expiresAtMs).toISOString(),
    csrfToken: csrfTokenOf(dependencies.signingKey, credential.token),
  };
}

export const openSession = defineEndpoint({
  id: "openSession",
  method: "post",
  path: "/api/session",
  action: "session.open",
  scope: "any",
  whenErased: "answered",
  summary: "Exchange a token for a browser session",
  success: { status: 201, description: "The session; its cookie is set", schema: sessionSchema },
  async handle(call) {
    if (call.credential.by === "cookie")
      throw new BackupError("Unauthenticated", "Open a session with a token in the Authorization header.");
    const { token, expiresAtMs, secure } = call.credential;
    const cookie = writeCookie(token, { maxAgeSeconds: (expiresAtMs - Date.now()) / 1000, secure });
    return { status: 201, body: describe(call), headers: { "Set-Cookie": cookie } };
  },
});

export const readSession = defineEndpoint({
  id: "readSession",
  method: "get",
  path: "/api/session",
  action: "session.open",
  scope: "any",
  summary: "Who the caller is and what it may do",
  success: { status: 200, description: "The session", schema: sessionSchema },
  handle: async (call) => ({ status: 200, body: describe(call) }),
});

export const closeSession = defineEndpoint({
  id: "closeSession",
  method: "delete",
  path: "/api/session",
  action: "session.open",
  scope: "any",
  whenErased: "answered",
  summary: "End the browser session",
  success: { status: 204, description: "The cookie is gone" },
  handle: async ({ credential: { secure } }) => ({
    status: 204,
    headers: { "Set-Cookie": writeCookie("", { maxAgeSeconds: 0, secure }) },
  }),
});
