// What `npm start` says when everything runs: where things are, and lines to try them out in another terminal. A test runs
// these lines as they are printed.
import { join } from "node:path";
import type { Session } from "./session.ts";

/** @param example of the sample weddings; with a database of one's own there is no guest. */
export function whereToLook(
  session: Session,
  facadeUrl: string,
  example: { readonly organizationId: string | undefined; readonly guestId: string | null },
): string {
  const { stack, config } = session;
  const ui = stack?.temporalUiUrl ?? null;
  return [
    ui === null
      ? `Temporal      ${session.temporal.address}, namespace ${config.temporal.namespace}`
      : `Temporal UI   ${ui}/namespaces/${config.temporal.namespace}/workflows`,
    "              each run is backup/<organization>: open one, and its tab User Metadata;",
    "              nightly policies are under Schedules",
    `Repository    ${describeRepository(session)}`,
    `HTTP API      ${facadeUrl}/docs  (health: /readyz)`,
    "",
    "In another terminal:",
    ...linesToTry(facadeUrl, example.organizationId ?? "ID", example.guestId).map((line) => `  ${line}`),
    "",
    "Ctrl-C stops everything; what was made stays.",
  ].join("\n");
}

export function describeRepository({ config: { storage, dataDir, encryptionKey } }: Session): string {
  const place = storage.provider === "filesystem" ? storage.bucket : `bucket ${storage.bucket}`;
  const key = encryptionKey === null ? `in ${join(dataDir, "encryption-key")}` : "BACKUP_ENCRYPTION_KEY";
  return `${place} (sealed; key: ${key})`;
}

function linesToTry(facadeUrl: string, organization: string, guestId: string | null): string[] {
  const api = `${facadeUrl}/api/admin`;
  const asUser = '-H "Authorization: Bearer $TOKEN"';
  return [
    "npx wedsync-backup list",
    `npx wedsync-backup show latest --organization ${organization}`,
    `npx wedsync-backup recover latest --organization ${organization} --to ./recovered`,
    `TOKEN=$(npx wedsync-backup token --organization ${organization})`,
    `curl -s ${asUser} ${api}/backup`,
    `JOB=$(curl -s -X POST ${asUser} ${api}/backup | grep -oE '[0-9a-f-]{36}' | head -1)`,
    `curl -s -N ${asUser} ${api}/jobs/$JOB/events`,
    `curl -s ${asUser} -H "Content-Type: application/json" -d '{"purpose": "to try a download"}' ${api}/backup/$JOB/download -o download.json`,
    // Each object of that list, into a folder under its key: curl reads from its input what to fetch, and where to.
    `grep -oE '"(key|url)":"[^"]+"' download.json | sed -E 's#"key":"#output = "downloaded/#; s#"url":"#url = "${facadeUrl}#' | curl -s --create-dirs ${asUser} -K -`,
    ...(guestId === null
      ? []
      : [
          `node scripts/sample-sql.mjs "DELETE FROM public.guests WHERE id = '${guestId}'"`,
          `npx wedsync-backup restore --organization ${organization} --record public.guests:${guestId} --yes`,
        ]),
  ];
}
