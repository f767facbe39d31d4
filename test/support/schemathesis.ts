// schemathesis, which reads an OpenAPI document and tries whether a server keeps it.
import { fileURLToPath } from "node:url";
import { installPythonPackages } from "./python-packages.ts";

export const schemathesisConfigPath = fileURLToPath(new URL("./schemathesis.toml", import.meta.url));

/** The path of a Python that has it. */
export const installSchemathesis = (cacheDir: string): Promise<string> =>
  installPythonPackages(
    cacheDir,
    "schemathesis",
    fileURLToPath(new URL("./schemathesis-requirements.txt", import.meta.url)),
  );
