import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Buildah } from "./buildah.ts";

/** What an image says about its process. Source: the OCI image specification, config.md. */
export interface ImageConfig {
  /** `<uid>:<gid>`. */
  readonly User: string;
  /** `NAME=value`. */
  readonly Env: readonly string[];
  readonly Entrypoint: readonly string[];
  /** Keys such as `8080/tcp`. */
  readonly ExposedPorts: Readonly<Record<string, object>>;
  readonly Labels: Readonly<Record<string, string>>;
}

/** An image's files in a folder, and what it says about its process. */
export interface UnpackedImage {
  readonly root: string;
  readonly config: ImageConfig;
}

/** Unpacks an image into a new folder `root`. */
export async function unpackImage(buildah: Buildah, image: string, root: string): Promise<UnpackedImage> {
  const dockerfile = `${root}.Dockerfile`;
  await writeFile(dockerfile, `FROM ${image}\n`);
  await buildah.run(["build", "--pull=never", `--file=${dockerfile}`, `--output=${root}`, buildah.binFolder]);
  await chmod(root, 0o755); // as it is in every container; buildah leaves it to root alone
  await mkdir(join(root, "proc"), { recursive: true });
  const { OCIv1 } = JSON.parse(await buildah.run(["inspect", "--type=image", image])) as {
    readonly OCIv1: { readonly config: ImageConfig };
  };
  return { root, config: OCIv1.config };
}

/**
 * The command that runs an unpacked image as a restricted Pod is run: as the image's own user, with its environment and
 * entrypoint, on a read-only root, without capabilities or a way to get any. It has the machine's network and process
 * ids, and the process that is started becomes the program: a signal to it reaches the program.
 *
 * @param args What a Deployment has as `args`.
 * @param env What it has as `env`.
 */
export function containerCommand(
  { root, config }: UnpackedImage,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): { readonly command: string; readonly args: readonly string[] } {
  const script = [
    'mount --bind "$0" "$0"',
    'mount --options remount,bind,ro "$0"',
    'mount --types proc proc "$0/proc"',
    'exec setpriv --no-new-privs "$@"',
  ];
  const variables = [...config.Env, ...Object.entries(env).map(([name, value]) => `${name}=${value}`)];
  // Past this point PATH is the image's: chroot is named in full, and the entrypoint is looked for inside.
  const chroot = ["/usr/sbin/chroot", `--userspec=${config.User}`, "--groups=", root];
  const program = ["env", "-i", ...variables, ...chroot, ...config.Entrypoint, ...args];
  return { command: "unshare", args: ["--mount", "sh", "-euc", script.join("\n"), root, ...program] };
}
