// Who works at the command line, as the audit log and the control tables name it.
import { userInfo } from "node:os";

export const cliActor = (): string => `cli:${userName()}`;

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid-${process.getuid?.() ?? "unknown"}`; // a container's user need not have a name
  }
}
