/** An InstanceInfo, as clients write it. */
type Info = Readonly<Record<string, unknown>>;

/** What a server has registered, by application and instance id, and whom it tells. */
export class Applications {
  readonly #byName = new Map<string, Map<string, Info>>();
  readonly #peers = new Set<Applications>();

  /** Takes what the other has, and replicates with it from now on. */
  join(other: Applications): void {
    for (const [name, infos] of other.#byName) for (const info of infos.values()) this.#put(name, info);
    this.#peers.add(other);
    other.#peers.add(this);
  }

  leave(): void {
    for (const peer of this.#peers) peer.#peers.delete(this);
    this.#peers.clear();
  }

  lose(): void {
    this.leave();
    this.#byName.clear();
  }

  set(name: string, info: Info): void {
    for (const one of [this, ...this.#peers]) one.#put(name.toUpperCase(), info);
  }

  delete(name: string, id: string): boolean {
    const isKnown = this.#byName.get(name.toUpperCase())?.has(id) === true;
    for (const one of [this, ...this.#peers]) one.#remove(name.toUpperCase(), id);
    return isKnown;
  }

  setStatus(name: string, id: string, status: string): boolean {
    const info = this.#byName.get(name.toUpperCase())?.get(id);
    if (info !== undefined) this.set(name, { ...info, status });
    return info !== undefined;
  }

  /** A client's operation; returns the HTTP status. Source: Netflix/eureka, ApplicationResource and InstanceResource. */
  change(method: string, path: string, query: URLSearchParams, body: string): number {
    const [, apps, name = "", id = "", what] = path.split("/").map(decodeURIComponent);
    if (apps !== "apps") return 404;
    if (method === "POST" && id === "") {
      this.set(name, (JSON.parse(body) as { readonly instance: Info }).instance);
      return 204;
    }
    const isRenewal = method === "PUT" && what === undefined;
    if (isRenewal) return this.#byName.get(name.toUpperCase())?.has(id) ? 200 : 404;
    if (what === "status") return this.setStatus(name, id, query.get("value") ?? "UNKNOWN") ? 200 : 404;
    return method === "DELETE" && this.delete(name, id) ? 200 : 404;
  }

  /** As GET /apps has it; every answer differs from the one before in the renewals. */
  toJson(): string {
    const application = [...this.#byName].map(([name, infos]) => ({ name, instance: [...infos.values()] }));
    return JSON.stringify({ applications: { versions__delta: "1", apps__hashcode: "", application } });
  }

  #put(name: string, info: Info): void {
    const infos = this.#byName.get(name) ?? new Map<string, Info>();
    this.#byName.set(name, infos.set(String(info.instanceId), info));
  }

  #remove(name: string, id: string): void {
    const infos = this.#byName.get(name);
    infos?.delete(id);
    if (infos?.size === 0) this.#byName.delete(name);
  }
}
