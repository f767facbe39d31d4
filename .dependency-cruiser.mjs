// Imports run one way. Each rule says why; the sentence is printed when the rule is broken.
const only = (name, from, allowed, comment) => ({
  name,
  comment,
  severity: "error",
  from: { path: from },
  to: { pathNot: [...allowed, from] },
});
const builtin =
  "^node:|^(assert|buffer|child_process|crypto|events|fs|http|module|net|os|path|process|stream|string_decoder|timers|tls|url|util|zlib)(/|$)";
const npm = (...names) => names.map((name) => `(^|/)node_modules/${name}(/|$)`);

export default {
  forbidden: [
    {
      name: "no-circular",
      comment: "A circle can't be read from any end.",
      severity: "error",
      from: {},
      to: { circular: true },
    },
    only(
      "domain-is-pure",
      "^src/domain/",
      [],
      "The domain runs in workflows, too: no Node, no library, nothing that reads a clock.",
    ),
    only(
      "ports-name-only-the-domain",
      "^src/ports/",
      ["^src/domain/", "^stream$|^node:stream$"],
      "A port that knows an adapter is no port.",
    ),
    only(
      "crypto-stands-alone",
      "^src/crypto/",
      ["^src/domain/", "crypto$", "^node:util$|^util$"],
      "What seals data must be readable on its own.",
    ),
    only(
      "repository-knows-no-adapter",
      "^src/repository/",
      ["^src/(domain|ports|crypto)/", builtin, ...npm("zod")],
      "The stored format must work over every store.",
    ),
    only(
      "contract-is-types",
      "^activities/(contract|erase-contract|notify-contract|prune-contract|restore-contract|verify-contract)\\.ts$",
      ["^src/domain/"],
      "Workflows import the contract: nothing of Node may come with it.",
    ),
    only(
      "activities-use-ports",
      "^activities/",
      ["^src/(domain|ports|crypto|repository)/", builtin, ...npm("@temporalio/activity", "@temporalio/common")],
      "Activities are given their adapters by the worker, so that tests can give them others.",
    ),
    only(
      "workflows-are-deterministic",
      "^workflows/",
      [
        "^src/domain/",
        "^activities/(contract|erase-contract|notify-contract|prune-contract|restore-contract|verify-contract)\\.ts$",
        ...npm("@temporalio/workflow", "@temporalio/common"),
      ],
      "Workflows are replayed: they may touch nothing that can answer differently the second time.",
    ),
    only(
      "client-starts-and-asks",
      "^src/client/",
      ["^src/domain/", ...npm("@temporalio/client", "@temporalio/common", "croner", "cronstrue")],
      "The client knows workflows by name only; importing them would pull the workflow SDK into every process.",
    ),
    only(
      "control-is-sql",
      "^src/control/",
      ["^src/(domain|ports)/", builtin, ...npm("pg", "@types/pg", "node-pg-migrate"), "^node-pg-migrate$"],
      "The control tables know nothing of the store or of Temporal.",
    ),
    {
      name: "adapters-by-main-only",
      comment: "Only the composition roots choose adapters; everything else asks a port.",
      severity: "error",
      from: { pathNot: "^(src/(adapters|cli|recover)/|scripts/|test/)" },
      to: { path: "^src/adapters/" },
    },
    {
      name: "activities-by-worker-only",
      comment: "Activities run in the worker; nobody else may call them directly.",
      severity: "error",
      from: { pathNot: "^(activities/|src/worker/|workflows/)" },
      to: { path: "^activities/" },
    },
    {
      name: "samples-are-not-the-product",
      comment: "Sample data must never reach a production path.",
      severity: "error",
      from: { path: "^(src|workflows|activities)/", pathNot: "^src/(samples/|cli/up\\.ts)" },
      to: { path: "^src/samples/" },
    },
    {
      name: "no-tests-in-product",
      comment: "The product must run without its tests and scripts.",
      severity: "error",
      from: { path: "^(src|workflows|activities)/" },
      to: { path: "^(test|scripts)/" },
    },
  ],
  options: {
    // With TypeScript 7 the default parser sees no module at all, and says that all is well.
    parser: "swc",
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { extensions: [".ts", ".mjs", ".js"] },
  },
};
