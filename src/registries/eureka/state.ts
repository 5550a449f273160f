import { isDeepStrictEqual } from "node:util";
import { RegistryError } from "../../model/errors.ts";
import { isSameListing, type Service, type Snapshot } from "../../model/service.ts";
import { badAnswer, type EurekaApi } from "./api.ts";
import { decodeApplication } from "./decode.ts";
import type { ServerStatus } from "./server-status.ts";
import { BadApplicationsError, parseApplications } from "./wire.ts";

/**
 * A process may list too little for this long. What it does not fetch from its peers arrives with the clients'
 * renewals, every 30 s, and in its answers 30 s later. Source: measured on Spring Cloud 2025.0, at most 90 s.
 */
const youngMinutes = 2;

/** The knowledge of one watch about one address. */
export class EurekaReader {
  readonly #api: EurekaApi;
  readonly #wants: (name: string) => boolean;
  readonly #processes = new Set<string>();
  #answer: string | undefined;
  #services: ReadonlyMap<string, Service> = new Map();

  constructor(api: EurekaApi, wants: (name: string) => boolean) {
    this.#api = api;
    this.#wants = wants;
  }

  /** Reads everything once; undefined = nothing changed. @throws RegistryError; the reader is useless then. */
  async read(): Promise<Snapshot | undefined> {
    const answer = await this.#api.applications();
    this.#meet(await this.#api.status());
    if (answer === this.#answer) return undefined;
    const services = this.#decode(answer);
    const isSame = this.#answer !== undefined && isSameListing(this.#services, services);
    this.#answer = answer;
    this.#services = services;
    return isSame ? undefined : { services, problems: [] };
  }

  /**
   * Another process behind the address is a peer and may answer too. But one that has just started is like a
   * restarted registry. @throws RegistryError.
   */
  #meet(status: ServerStatus | undefined): void {
    if (status === undefined) return;
    const { process, uptimeMinutes } = status;
    const isNew = this.#processes.size > 0 && !this.#processes.has(process);
    this.#processes.add(process);
    if (!isNew || uptimeMinutes >= youngMinutes) return;
    const detail = `${this.#api.server.name} restarted, or another server that started recently answers there`;
    const advice =
      "The server's list may be incomplete. The operator removes nothing until the list has settled.";
    throw new RegistryError("RegistryUnreachable", detail, advice);
  }

  /** Answers also differ in renewals alone, so an otherwise equal service keeps its identity. */
  #decode(answer: string): ReadonlyMap<string, Service> {
    const services = applicationsOf(this.#api, answer)
      .filter(({ name }) => this.#wants(name))
      .map((application) => {
        const service = decodeApplication(application);
        const before = this.#services.get(service.id);
        return isDeepStrictEqual(before, service) ? (before ?? service) : service;
      });
    return new Map(services.map((service) => [service.id, service]));
  }
}

function applicationsOf({ server }: EurekaApi, answer: string) {
  try {
    return parseApplications(answer);
  } catch (error) {
    if (!(error instanceof BadApplicationsError)) throw error;
    throw badAnswer(server, error.message);
  }
}
