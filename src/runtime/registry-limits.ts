import { SharedMemory } from "./shared-memory.ts";

/** What reading one registry may take of the process, and where a registry may be. */
export interface RegistryLimits {
  /** Of one answer that grows with the fleet, decoded. Any other answer may have a quarter of it. */
  readonly maxAnswerBytes: number;
  /** Of all answers that are being read, of all hubs. */
  readonly memory: SharedMemory;
  /** The ranges in which registries may be dialled; none = everywhere, but for what is always refused. */
  readonly allowedCidrs: readonly string[];
}

const defaultAnswerBytes = 64 * 1_024 * 1_024;

/** The limits of a process; two of the largest answers fit into its memory. */
export function createRegistryLimits({
  maxAnswerBytes = defaultAnswerBytes,
  allowRegistryCidrs: allowedCidrs = [],
}: {
  readonly maxAnswerBytes?: number;
  readonly allowRegistryCidrs?: readonly string[];
} = {}): RegistryLimits {
  return { maxAnswerBytes, memory: new SharedMemory(2 * maxAnswerBytes), allowedCidrs };
}
