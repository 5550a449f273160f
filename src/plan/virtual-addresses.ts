import type { Claim, Endpoint, Entry } from "../model/entry.ts";
import type { HubId } from "../model/hub.ts";
import type { Problem } from "../model/problems.ts";

/** What is left of the claims, and what there is to say of the rest. */
interface RealClaims {
  readonly claims: ReadonlyMap<HubId, Claim>;
  readonly problems: ReadonlyMap<HubId, readonly Problem[]>;
}

/**
 * The claims without the instances that have an address of the range of virtual IPs, which leads back into the mesh. The
 * range is a setting, so it only stops additions: what `actual` has of it stays until its registry drops it.
 */
export function withoutVirtualAddresses(
  claims: ReadonlyMap<HubId, Claim>,
  actual: Entry | undefined,
  isVirtual: (address: string) => boolean,
): RealClaims {
  const problems = new Map<HubId, readonly Problem[]>();
  const areReal = ({ listed }: Claim): boolean => !listed.some(({ address }) => isVirtual(address));
  if (claims.values().every(areReal)) return { claims, problems }; // as nearly always, and every plan asks
  const real = new Map(claims);
  for (const [id, claim] of claims) {
    const virtual = claim.listed.filter(({ address }) => isVirtual(address));
    if (virtual.length === 0) continue;
    const isHad = ({ hostPort }: Endpoint): boolean => actual?.endpoints.has(hostPort) ?? false;
    const listed = claim.listed.filter((one) => isHad(one) || !isVirtual(one.address));
    real.set(id, { ...claim, listed });
    problems.set(
      id,
      virtual.map((one) => problemOf(one, isHad(one))),
    );
  }
  return { claims: real, problems };
}

function problemOf({ address, hostPort, service }: Endpoint, isHad: boolean): Problem {
  const what = `${address} is in --vip-cidr, the range of virtual IPs`;
  return {
    at: `${service.name} ${hostPort}`,
    code: "BadAddress",
    detail: isHad
      ? `${what}, and stays while it is registered; take another range`
      : `${what}; have the provider register a routable address`,
    severity: isHad ? "warning" : "rejected",
  };
}
