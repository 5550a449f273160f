import { beforeAll } from "vitest";
import { fieldManagers } from "../../src/model/labels.ts";
import { newTenant, quickly, type Tenant, useWorld, type World } from "../e2e/world.ts";
import { installNamespace } from "../support/install.ts";
import { type Member, newMember, tenancyControllers, untilPoliciesWork } from "./members.ts";

/** `config/multi-tenant` with both controllers as its ServiceAccounts, and namespaces with somebody in them. */
export interface Stage {
  readonly world: World;
  /** A namespace, a ZooKeeper root of its own, and its member. */
  open(namespace?: string): Promise<Party>;
}

/** One of the parties that share the cluster. */
export interface Party extends Tenant {
  readonly member: Member;
  /** The member creates a hub. */
  hubOf(spec?: Parameters<Tenant["manifest"]>[0], name?: string): Promise<void>;
}

/** The operator's user. */
export const operator = `system:serviceaccount:${installNamespace}:${fieldManagers.registryhub}`;

/** The flags of a hub-controller in `config/multi-tenant`, and the times of a test run. */
export const tenancyFlags = [
  ...quickly,
  "--allow-cross-namespace=false",
  "--deny-targets=com,net,org,io,cn",
] as const;

/**
 * Called once in a file, as `useWorld`; `flags` are more of the hub-controller. Without policies whatever is refused is
 * refused by the operator or by RBAC.
 */
export function useStage({
  policies,
  flags = [],
}: {
  readonly policies: boolean;
  readonly flags?: readonly string[];
}): Stage {
  const hub = [...tenancyFlags, ...flags];
  const world = useWorld({ overlay: "multi-tenant", apiServer: tenancyControllers, hub });
  const open = async (namespace?: string): Promise<Party> => {
    const tenant = await newTenant(world, namespace);
    const member = await newMember(world.api, tenant.namespace);
    return {
      ...tenant,
      member,
      hubOf: async (spec, name) =>
        void (await member.create(JSON.parse(tenant.manifest(spec, name)) as object)),
    };
  };
  beforeAll(async () => {
    const { api } = world;
    if (policies) return untilPoliciesWork(await newMember(api, "probe"));
    const part = ["-l", "app.kubernetes.io/part-of=registryhub"];
    const kinds = "validatingadmissionpolicybindings,validatingadmissionpolicies";
    return void (await api.kubectl(["delete", kinds, ...part]));
  });
  return { world, open };
}
