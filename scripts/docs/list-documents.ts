// The documents of this project: every Markdown file that git knows or would add.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { projectRoot } from "../run-step.ts";

export async function listDocuments(): Promise<string[]> {
  const parameters = ["ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate", "*.md"];
  const { stdout } = await promisify(execFile)("git", parameters, { cwd: projectRoot });
  return stdout.split("\n").filter((line) => line !== "");
}
