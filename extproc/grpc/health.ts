import type { GrpcCall, MessageHandler, ServeMethod } from "./call.ts";
import { Status } from "./status.ts";

// grpc.health.v1 (health.proto): Envoy's health checks call Check; Watch hears each change at once.

const SERVING = 1;
const NOT_SERVING = 2;
const SERVICE_UNKNOWN = 3;

export class HealthService {
  private readonly services: readonly string[];
  private serving = true;
  private leaving = false;
  private readonly watches = new Set<Watch>();

  /** Knows these services, and "" which is all of them. */
  constructor(services: readonly string[]) {
    this.services = services;
  }

  methods(): [string, ServeMethod][] {
    return [
      ["/grpc.health.v1.Health/Check", (call) => new Unary(call, (service) => this.check(call, service))],
      ["/grpc.health.v1.Health/Watch", (call) => this.watch(call)],
    ];
  }

  setServing(serving: boolean): void {
    if (serving === this.serving) return;
    this.serving = serving;
    for (const watch of this.watches) if (watch.known) watch.call.send(this.status());
  }

  /** Ends the watches: they would hold a draining connection open for ever. */
  leave(): void {
    this.leaving = true;
    this.setServing(false);
    for (const watch of this.watches) watch.call.end();
  }

  private check(call: GrpcCall, service: string): void {
    if (!this.knows(service)) {
      call.fail(Status.NOT_FOUND, "agglo: no such service");
      return;
    }
    call.send(this.status());
    call.end();
  }

  private watch(call: GrpcCall): MessageHandler {
    const watch: Watch = { call, known: false };
    const begin = (service: string) => {
      watch.known = this.knows(service);
      this.watches.add(watch);
      // Of a service nobody knows the protocol keeps the watch open too: it might be added.
      call.send(watch.known ? this.status() : response(SERVICE_UNKNOWN));
      if (this.leaving) call.end();
    };
    return new Unary(call, begin, () => this.watches.delete(watch));
  }

  private knows(service: string): boolean {
    return service === "" || this.services.includes(service);
  }

  private status(): Uint8Array {
    return response(this.serving ? SERVING : NOT_SERVING);
  }
}

type Watch = { call: GrpcCall; known: boolean };

/** A call with exactly one request, which is the name of a service; answered when the peer has ended it. */
class Unary implements MessageHandler {
  private readonly call: GrpcCall;
  private readonly answer: (service: string) => void;
  private readonly over: () => void;
  private request: Buffer | undefined = undefined;

  constructor(call: GrpcCall, answer: (service: string) => void, over: () => void = () => {}) {
    this.call = call;
    this.answer = answer;
    this.over = over;
  }

  recv(message: Buffer): void {
    if (this.request === undefined) this.request = message;
    else this.call.fail(Status.INVALID_ARGUMENT, "agglo: this method takes one message");
  }

  recvEnd(): void {
    const service = this.request === undefined ? undefined : readService(this.request);
    if (service === undefined) this.call.fail(Status.INVALID_ARGUMENT, "agglo: no HealthCheckRequest");
    else this.answer(service);
  }

  closed(): void {
    this.over();
  }
}

/** HealthCheckRequest: `string service = 1`, nothing else; undefined: these bytes are something else. */
function readService(bytes: Buffer): string | undefined {
  if (bytes.length === 0) return "";
  const length = bytes[1];
  // No service has a name that needs a length of two bytes.
  if (bytes[0] !== 0x0a || length === undefined || length > 0x7f || bytes.length !== length + 2) return undefined;
  return bytes.toString("utf8", 2);
}

/** HealthCheckResponse: `ServingStatus status = 1`. */
function response(status: number): Uint8Array {
  return Uint8Array.of(0x08, status);
}
