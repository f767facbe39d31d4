// A catalogue as a file for people.
import type { Catalogue } from "./catalogue.ts";

/** YAML by hand, because comments carry the questions. Values are written as JSON, which is YAML. */
export function writeCatalogue(catalogue: Catalogue, notes: readonly string[]): string {
  const {
    version,
    name,
    schemas,
    root,
    dataSets,
    organizationColumns,
    polymorphic,
    media,
    references,
    exclusions,
    omittedColumns,
    externalIds = [],
    links = [],
  } = catalogue;
  const list = (title: string, entries: readonly unknown[]): string =>
    entries.length === 0
      ? `${title}: []`
      : `${title}:\n${entries.map((entry) => `  - ${JSON.stringify(entry)}`).join("\n")}`;
  return `${[
    `# Suggested from the foreign keys. Check every line; then: wedsync-backup catalogue check`,
    ...notes.map((note) => `# look at: ${note.replaceAll(/\s+/g, " ")}`), // a name may hold line breaks
    `version: ${version}`,
    `name: ${JSON.stringify(name)}`,
    `schemas: ${JSON.stringify(schemas)}`,
    `root: ${JSON.stringify(root)}`,
    list("dataSets", dataSets),
    `organizationColumns: ${JSON.stringify(organizationColumns)}`,
    list("polymorphic", polymorphic),
    list("media", media),
    list("references", references),
    list("exclusions", exclusions),
    list("omittedColumns", omittedColumns),
    list("externalIds", externalIds),
    list("links", links),
  ].join("\n")}\n`;
}
