// /docs: the endpoints for people, as one plain page without scripts.
import { actionTable, mayDo, roles } from "../domain/authorization.ts";
import { errorTable } from "../domain/errors.ts";
import { escapeHtml } from "../domain/escape-html.ts";
import type { Endpoint } from "./endpoint.ts";
import { refusalsOf } from "./openapi.ts";

export function renderOpenApiPage(endpoints: readonly Endpoint[]): string {
  const sections = endpoints.map((endpoint) => {
    const { id, method, path, summary, action, success } = endpoint;
    const may = roles.filter((role) => mayDo(role, action)).join(", ");
    const fields = [
      ["path", endpoint.params],
      ["query", endpoint.query],
      ["body", endpoint.body],
    ] as const;
    const inputs = fields
      .filter(([, schema]) => schema !== undefined)
      .map(([place, schema]) => `<dt>${place}</dt><dd>${escapeHtml(Object.keys(schema?.shape ?? {}).join(", "))}</dd>`);
    const refusals = refusalsOf(endpoint).map(
      (code) => `<code title="${escapeHtml(errorTable[code].meaning)}">${code}</code>`,
    );
    return `<section id="${id}">
<h2><code>${method.toUpperCase()} ${escapeHtml(path)}</code></h2>
<p>${escapeHtml(summary)}. ${escapeHtml(actionTable[action].meaning)}: ${may}.</p>
<dl>${inputs.join("")}<dt>answers</dt><dd>${success.status}: ${escapeHtml(success.description)}</dd><dt>refuses with</dt><dd>${refusals.join(", ")}</dd></dl>
</section>`;
  });
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>wedsync-backup API</title></head>
<body>
<h1>wedsync-backup API</h1>
<p>Send <code>Authorization: Bearer …</code> (<code>wedsync-backup token</code> makes a token). The organization is the token's; only a platform admin names one. The document for programs is <a href="/openapi.json">/openapi.json</a>.</p>
${sections.join("\n")}
</body>
</html>
`;
}
